"""The HTTP twins: the same rows and refusals as the sockets, ETags, CSV, freshness in headers."""

import asyncio
import csv
import io
import json

import pytest

from spot import snapshots
from spot.feeds import FEEDS
from spot.hub.hub import Hub
from spot.snapshots import Trouble
from spot.web import waiting
from tests.spot.asking import ask
from tests.spot.feeds.test_view import ADDRESSES, EXAMPLES
from tests.spot.rows import USD, coin, market
from tests.spot.sockets import Socket, put, put_everything, put_lists, put_market, run

PREFIX = "/tzone_apis/services/spot/"
pytestmark = pytest.mark.usefixtures("redis")


async def get(feed: str, query: str = "", method: str = "get", **headers: str):
    return await ask(f"{PREFIX}{feed}?{query}", method, headers=headers)


@pytest.mark.parametrize("channel", FEEDS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_twin_says_what_its_socket_says(channel, slash) -> None:
    async def story() -> None:
        await put_everything()
        for query in {EXAMPLES[channel], ADDRESSES.get(channel, EXAMPLES[channel])}:
            response = await get(channel + slash, query)
            assert (response.status_code, response["Content-Type"]) == (200, "application/json")
            async with Socket(channel, query) as socket:
                assert json.loads(response.content) == await socket.frame()
        assert not Hub.current().groups

    run(story())


def test_freshness_is_in_the_headers() -> None:
    async def story() -> None:
        await put_lists()
        version = await put(USD, market(3), interval=60, age_ms=5000)
        response = await get("market", "page_size=2")
        snapshot = snapshots.load
        facts = await asyncio.to_thread(snapshot, USD)
        assert response["X-Spot-Source"] == "acme"
        assert response["X-Spot-Version"] == f"{facts.epoch}-{version}"
        assert response["X-Spot-As-Of"] == str(facts.as_of)
        assert response["X-Spot-Stale"] == response["X-Spot-Simulated"] == "false"
        assert response["X-Spot-Total"] == "3"
        assert 5000 <= int(response["X-Spot-Age-Ms"]) < 60_000
        await put(USD, market(3), interval=1, age_ms=10**7)
        async with Socket("market", "envelope=1") as socket:
            while not (await socket.next("snapshot"))["stale"]:
                pass
        assert (await get("market"))["X-Spot-Stale"] == "true"

    run(story())


def test_the_headers_are_of_the_newest_snapshot_though_the_bytes_stayed_the_same() -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("market") as socket:
            await socket.frame()
            first = await get("market")
            await put(USD, market(2))
            assert await socket.silent()
            second = await get("market")
            assert second.content == first.content
            assert second["X-Spot-Version"] != first["X-Spot-Version"]

    run(story())


def test_an_unchanged_answer_is_304_and_a_changed_one_is_not() -> None:
    async def story() -> None:
        await put_market(2)
        first = await get("market")
        tag = first["ETag"]
        for header in (tag, f'"x", {tag}', "*"):
            again = await get("market", "page=1", **{"If-None-Match": header})
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
            assert again["X-Spot-Version"] == first["X-Spot-Version"]
        assert (await get("market", **{"If-None-Match": '"x"'})).status_code == 200
        for query in ("page_size=1", "format=csv", "envelope=1", "vs_currency=usd&search=b"):
            assert (await get("market", query, **{"If-None-Match": tag})).status_code == 200
        await put(USD, market(2, shift=1.0))
        async with Socket("market", "page_size=1") as socket:
            while (await socket.frame())["rows"][0][4] != market(1, 1.0)[0]["price"]:
                pass
        assert (await get("market", **{"If-None-Match": tag})).status_code == 200

    run(story())


def test_readers_of_a_large_answer_share_its_bytes() -> None:
    async def story() -> None:
        await put_lists()
        await put(USD, market(500))
        first, second = (
            await get("market", "page_size=500&per_page=500"),
            await get("market", "page_size=500&per_page=500"),
        )
        assert len(first.content) > waiting.LARGEST_PAGE
        assert first.content is second.content

    run(story())


def test_csv_holds_the_whole_filtered_range_and_no_formula() -> None:
    async def story() -> None:
        await put_lists()
        await put(USD, [*market(5), coin("evil", name="=cmd|' /C calc'!A0", price=-5.1)])
        response = await get("market", "format=csv&page_size=2&sparkline=0")
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="market-usd.csv"'
        read = list(csv.reader(io.StringIO(response.content.decode())))
        assert len(read) == 7
        assert read[0][:5] == ["Row", "Logo", "Symbol", "Name", "Price"]
        assert read[-1][3:5] == ["'=cmd|' /C calc'!A0", "-5.1"]

    run(story())


def test_the_envelope_is_had_over_http_too() -> None:
    async def story() -> None:
        await put_market(2)
        body = json.loads((await get("most-active", "envelope=1&min_volume=0")).content)
        assert (body["type"], body["channel"], body["total"]) == ("snapshot", "most-active", 2)

    run(story())


@pytest.mark.parametrize(
    ("channel", "query", "status", "code"),
    [
        ("market", "page=-1", 400, "bad_value"),
        ("market", "filters={", 400, "bad_value"),
        ("market", "bogus=1", 400, "unknown_field"),
        ("market", "search=%ff", 400, "bad_message"),
        ("market", "format=xlsx", 400, "bad_value"),
        ("market", "page_size=1000000000", 400, "bad_value"),
        ("market", "vs_currency=xyz", 404, "unknown_currency"),
        ("historical-ohlcv", "", 400, "missing_field"),
        ("historical-ohlcv", "coin_id=../..", 400, "bad_value"),
        ("historical-ohlcv", "coin_id=nosuchcoin", 404, "unknown_coin"),
        ("historical-ohlcv", "coin_id=bitcoin&days=366", 400, "bad_value"),
        ("ticker-tape", "coin_ids=" + ",".join(f"c{n}" for n in range(51)), 400, "bad_value"),
    ],
)
def test_what_cannot_be_is_refused_in_json(channel, query, status, code) -> None:
    async def story() -> None:
        await put_market(2)
        response = await get(channel, query)
        body = json.loads(response.content)
        assert (response.status_code, body["type"], body["code"]) == (status, "error", code)
        assert body["message"].endswith(".")
        assert response["Cache-Control"] == "no-store"
        assert response["Content-Type"] == "application/json"

    run(story())


#: Only the second sentence is for visitors.


def test_who_waits_in_vain_is_told_when_to_come_back(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.3

    async def story() -> None:
        await put_lists()
        response = await get("market")
        error = json.loads(response.content)
        assert (response.status_code, error["code"]) == (503, "unavailable")
        assert error["message"] == "No data have been fetched yet: markets:usd. Try again in a few seconds."
        assert int(response["Retry-After"]) > 0
        next_try = snapshots.now_ms() + 600_000
        trouble = Trouble("unavailable", "No connection to 10.0.0.7.", 1, next_try, public="Acme cannot be reached.")
        await asyncio.to_thread(snapshots.set_trouble, USD, trouble)
        async with Socket("market", "status=1") as socket:
            while (await socket.next("status"))["state"] != "unavailable":
                pass
            response = await get("market")
            error = json.loads(response.content)
            assert (error["message"], error["next_try_ms"]) == ("Acme cannot be reached.", next_try)
            assert 300 < int(response["Retry-After"]) <= 600
        assert not Hub.current().groups

    run(story())


def test_who_asks_first_waits_for_the_data_to_come() -> None:
    async def story() -> None:
        request = asyncio.create_task(get("market"))
        await asyncio.sleep(0.2)
        await put_market(2)
        assert (await request).status_code == 200

    run(story())


def test_only_reading_is_allowed() -> None:
    async def story() -> None:
        await put_market(2)
        head = await get("market", method="head")
        assert (head.status_code, head.content) == (200, b"")
        assert head["ETag"] == (await get("market"))["ETag"]
        for method in ("post", "put", "delete", "patch"):
            assert (await get("market", method=method)).status_code == 405

    run(story())


def test_pages_of_listed_origins_may_read_the_answer(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["https://partner.example"]

    async def story() -> None:
        await put_market(1)
        allowed = await get("market", origin="https://partner.example")
        assert allowed["Access-Control-Allow-Origin"] == "https://partner.example"
        assert "X-Spot-Stale" in allowed["Access-Control-Expose-Headers"]
        other = await get("market", origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in other.headers
        assert "Origin" in other["Vary"]
        assert (await get("market", "page=0", origin="https://partner.example"))["Access-Control-Allow-Origin"]

    run(story())


def test_an_unknown_feed_is_not_found() -> None:
    async def story() -> None:
        assert (await get("nothing")).status_code == 404

    run(story())
