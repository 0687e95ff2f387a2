"""Other vendors' HTTP protocols at their door: CoinGecko's prices and markets, its refusals, keys, caching, sharing."""

import asyncio
import gc
import json
import weakref

import pytest

from providers.datasets import Dataset
from spot import snapshots
from spot.hub.hub import Hub
from spot.snapshots import Trouble
from spot.web import compat
from spot.web.waiting import PAGES
from tests.spot.asking import ask
from tests.spot.rows import USD, coin, market
from tests.spot.sockets import Socket, put, put_lists, run

ROOT = "/compat/coingecko/api/v3/"
QUOTES = Dataset("quotes", "usd")
pytestmark = pytest.mark.usefixtures("redis")


async def get(target: str, method: str = "GET", **more):
    return await ask(ROOT + target, method, **more)


def story(check, rows=None) -> None:
    """Run a check beside a market of ten coins, or of these rows."""

    async def told() -> None:
        await put_lists()
        await put(USD, market(10) if rows is None else rows, interval=60)
        await check()

    run(told())


# --- paths and bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("coingecko/ping", {"error": "Incorrect path. Please check the documentation of this site for the endpoints that it serves."}),  # noqa: E501
        ("coingecko/api/v3x/ping", {"error": "Incorrect path. Please check the documentation of this site for the endpoints that it serves."}),  # noqa: E501
        ("coinapi/../admin/", {"error": "There is no endpoint at this path. There is: /v1/exchangerate/{base}[/{quote}]."}),  # noqa: E501
    ],
)  # fmt: skip
def test_path_beside_the_endpoints_is_refused_in_the_vendors_words(path, told) -> None:
    async def check() -> None:
        answer = await ask(f"/compat/{path}")
        assert (answer.status_code, answer["Access-Control-Allow-Origin"], answer.json()) == (404, "*", told)

    run(check())


def test_path_of_no_vendor_is_refused_as_json() -> None:
    async def check() -> None:
        for path in ("/compat/", "/compat/nosuch/v1", "/compat//coingecko/api/v3/ping", "/compat/cryptolisting/x"):
            answer = await ask(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_feed")

    run(check())


def test_body_that_nobody_reads_is_refused_in_the_vendors_words() -> None:
    async def check() -> None:
        large = await ask(f"{ROOT}ping", "POST", body=b"x" * 70_000)
        assert (large.status_code, large["Access-Control-Allow-Origin"]) == (413, "*")
        assert large.json()["status"]["error_message"] == "The body may have at most 65,536 bytes."
        unread = await ask("/compat/coinapi/v1/exchangerate/BTC/USD", "POST", body=b"x")
        assert (unread.status_code, list(unread.json())) == (413, ["error"])

    run(check())


@pytest.mark.parametrize("path", ["coinmarketcap/v1", "coinapi", "coinapi/v1", "coingecko/stream/v1"])
def test_pages_may_read_what_is_said_at_the_path_of_a_socket(path) -> None:
    async def check() -> None:
        for method, status in (("GET", 426), ("OPTIONS", 204)):
            answer = await ask(f"/compat/{path}", method, headers={"origin": "https://partner.example"})
            assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (status, "*")

    run(check())


# --- prices -----------------------------------------------------------------------------------------------------------


def test_prices_by_id_with_every_switch() -> None:
    async def check() -> None:
        answer = await get(
            "simple/price?ids=bitcoin%2C%20ethereum,,bitcoin&vs_currencies=USD,xxx&include_market_cap=true"
            "&include_24hr_vol=True&include_24hr_change=1&include_last_updated_at=true&source=cli"
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "bitcoin": {
                "usd": 100000.0,
                "usd_market_cap": 1000000000000,
                "usd_24h_vol": 142857142857,
                "usd_24h_change": 2.25,
                "last_updated_at": 1_700_000_000,
            },
            "ethereum": {
                "usd": 50000.0,
                "usd_market_cap": 500000000000,
                "usd_24h_vol": 62500000000,
                "usd_24h_change": -1.25,
                "last_updated_at": 1_700_000_000,
            },
        }
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        assert isinstance(answer.json()["bitcoin"]["last_updated_at"], int)

    story(check)


@pytest.mark.parametrize(
    ("query", "coins"),
    [
        ("ids=bitcoin,nonsense", ["bitcoin"]),
        ("ids=nonsense", []),
        ("ids=%00,../x", []),
        ("names=Bitcoin", ["bitcoin"]),
        ("symbols=BTC,eth", ["bitcoin", "ethereum"]),
        ("symbols=btc&ids=tether", ["tether"]),
        ("ids=bitcoin&ids=tether", ["bitcoin", "tether"]),
        ("symbols=same", ["large"]),
        ("symbols=same&include_tokens=all", ["large", "small"]),
    ],
)
def test_coins_are_chosen_as_upstream_chooses(query, coins) -> None:
    twins = [coin(name, symbol="SAME", price=1.0, market_cap=cap) for name, cap in (("large", 90), ("small", 9))]

    async def check() -> None:
        answer = await get(f"simple/price?vs_currencies=usd&{query}")
        assert (answer.status_code, list(answer.json())) == (200, coins)

    story(check, [*market(10), *twins])


def test_coin_that_was_never_fetched_is_waited_for_and_then_named(settings) -> None:
    """A wallet takes an absent coin for one without a price."""
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.3

    async def check() -> None:
        alone = await get("simple/price?vs_currencies=usd&ids=listed-only")
        assert (alone.status_code, alone["Retry-After"]) == (503, "5")
        assert "listed-only" in alone.json()["status"]["error_message"]
        beside = await get("simple/price?vs_currencies=usd&ids=bitcoin,listed-only")
        assert (beside["x-spot-missing"], list(beside.json())) == ("listed-only", ["bitcoin"])
        asking = asyncio.create_task(get("simple/price?vs_currencies=usd&ids=bitcoin,listed-only"))
        await asyncio.sleep(0)
        await put(QUOTES, [coin("listed-only", price=7.0)], interval=60, meta={"asked": ["listed-only"]})
        assert (await asking).json()["listed-only"] == {"usd": 7.0}

    async def told() -> None:
        await put_lists(coins=[*(row["id"] for row in market(10)), "listed-only"])
        await put(USD, market(10), interval=60)
        await check()

    run(told())


# --- markets ----------------------------------------------------------------------------------------------------------


def test_market_row_has_the_names_of_upstream() -> None:
    async def check() -> None:
        [row] = (
            await get("coins/markets?vs_currency=usd&ids=bitcoin&sparkline=true&price_change_percentage=1h,x,7d")
        ).json()
        assert (row["id"], row["symbol"], row["current_price"], row["market_cap_rank"]) == (
            "bitcoin",
            "btc",
            100000.0,
            1,
        )
        assert row["sparkline_in_7d"] == {"price": [100000.0, 100000.0, None]}
        assert row["price_change_24h"] == round(100000 - 100000 / 1.0225, 2)
        assert row["price_change_percentage_1h_in_currency"] == 1.25
        assert row["last_updated"] == "2023-11-14T22:13:20.000Z"
        assert "price_change_percentage_24h_in_currency" not in row
        assert row["roi"] is None

    story(check)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("per_page=2", ["bitcoin", "ethereum"]),
        ("per_page=2&page=2", ["tether", "solana"]),
        ("per_page=4&page=3", ["uniswap", "maker"]),
        ("per_page=4&page=4", []),
        ("per_page=4&page=4000", []),
        ("per_page=3&page=0", ["bitcoin", "ethereum", "tether"]),
        ("per_page=1&page=-1", ["bitcoin"]),
        ("ids=tether,bitcoin,nope", ["bitcoin", "tether"]),
        ("ids=tether,bitcoin&order=market_cap_asc", ["tether", "bitcoin"]),
        ("ids=tether,bitcoin&order=id_desc", ["tether", "bitcoin"]),
        ("ids=tether,bitcoin&order=gecko_desc", ["bitcoin", "tether"]),
        ("ids=tether,bitcoin&per_page=1&page=2", ["tether"]),
        ("ids=tether,bitcoin&per_page=1&page=3", []),
        ("ids=nope", []),
        ("symbols=usdt", ["tether"]),
    ],
)
def test_pages_of_the_market(query, ids) -> None:
    async def check() -> None:
        answer = await get(f"coins/markets?vs_currency=usd&{query}")
        assert (answer.status_code, [row["id"] for row in answer.json()]) == (200, ids)

    story(check)


def test_paging_headers_count_what_there_is() -> None:
    async def check() -> None:
        answer = await get("coins/markets?vs_currency=usd&per_page=999")
        assert (answer["total"], answer["per-page"]) == ("10", "250")

    story(check)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        ("simple/price?ids=bitcoin", 422, {"error": "Missing parameter vs_currencies"}),
        ("simple/price?vs_currencies=usd", 422, {"error": "Missing parameter ids"}),
        ("simple/price?vs_currencies=usd&ids=", 422, {"error": "Missing parameter ids"}),
        ("coins/markets", 422, {"error": "Missing parameter vs_currency"}),
        (
            f"simple/price?vs_currencies=usd&symbols={','.join(map(str, range(501)))}",
            422,
            {"error": "symbols: at most 500 of them."},
        ),
        ("coins/markets?vs_currency=xxx", 400, {"error": "invalid vs_currency"}),
        ("coins/markets?vs_currency=%F0%9F%92%A9", 400, {"error": "invalid vs_currency"}),
    ],
)
def test_mistakes_are_refused_to_the_letter(target, status, body) -> None:
    async def check() -> None:
        answer = await get(target)
        assert (answer.status_code, answer.json()) == (status, body)
        assert answer["Access-Control-Allow-Origin"] == "*"

    story(check)


@pytest.mark.parametrize(
    "path", ["", "nothing", "coins/markets/x", "simple", "../../../tzone_apis/services/spot/market"]
)
def test_unknown_path_reaches_nothing_else(path) -> None:
    async def check() -> None:
        answer = await get(path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("Incorrect path.")

    story(check)


@pytest.mark.parametrize("path", ["ping", "ping/", "/ping", "/ping//"])
def test_slashes_do_not_matter(path) -> None:
    async def check() -> None:
        assert "gecko_says" in (await get(path)).json()

    story(check)


def test_no_data_are_a_503_with_integer_seconds(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 1.0

    async def told() -> None:
        await put_lists()
        await asyncio.to_thread(
            snapshots.set_trouble,
            USD,
            Trouble("unavailable", "broken", 0, snapshots.now_ms() + 7_900_000, public="No."),
        )
        for target in ("simple/price?ids=bitcoin&vs_currencies=usd", "coins/markets?vs_currency=usd"):
            answer = await get(target)
            assert (answer.status_code, answer["Retry-After"]) == (503, "60")
            assert answer.json()["status"]["error_code"] == 503

    run(told())


def test_too_many_requests_tell_whole_seconds_and_are_readable_by_pages(settings) -> None:
    settings.SPOT_REQUESTS_PER_MINUTE = 2

    async def check() -> None:
        answers = [await get("ping", headers={"origin": "https://wallet.test"}) for _ in range(4)]
        last = answers[-1]
        assert last.status_code == 429
        assert 1 <= int(last["Retry-After"]) <= 60
        assert last.json()["status"]["error_code"] == 429
        assert last["Access-Control-Allow-Origin"] == "*"

    story(check)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-cg-pro-api-key": "CG-wrong"}, ""),
        ({"X-CG-Demo-API-Key": "CG-wrong"}, ""),
        ({}, "?x_cg_demo_api_key=CG-wrong"),
    ],
)
def test_wrong_key_is_refused_in_upstreams_words(headers, query) -> None:
    async def check() -> None:
        answer = await get(f"ping{query}", headers=headers)
        assert (answer.status_code, answer.json()["status"]["error_code"]) == (401, 10002)

    story(check)


def test_anonymous_stands_for_no_key() -> None:
    async def check() -> None:
        answer = await get("ping", headers={"x-cg-demo-api-key": "CG-anonymous"})
        assert answer.status_code == 200

    story(check)


# --- HTTP -------------------------------------------------------------------------------------------------------------


def test_unchanged_answer_is_a_304_and_a_changed_one_is_not() -> None:
    async def check() -> None:
        target = "simple/price?ids=bitcoin&vs_currencies=usd"
        first = await get(target)
        again = await get(target, headers={"if-none-match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        async with Socket("market", "page_size=1") as socket:
            await socket.frame()
            await put(USD, market(10, shift=1.0), interval=60)
            await socket.frame()
        changed = await get(target, headers={"if-none-match": first["ETag"]})
        assert (changed.status_code, changed.json()) == (200, {"bitcoin": {"usd": 100001.0}})

    story(check)


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("HEAD", 200), ("OPTIONS", 204), ("DELETE", 400)])
def test_methods(method, status) -> None:
    async def check() -> None:
        answer = await get("ping", method)
        assert answer.status_code == status
        assert answer["Access-Control-Allow-Origin"] == "*"

    story(check)


def test_freshness_is_in_headers_of_our_own() -> None:
    async def told() -> None:
        await put_lists()
        await put(USD, market(3), interval=1, age_ms=10**7)
        answer = await get("coins/markets?vs_currency=usd&per_page=1")
        assert (answer["x-spot-stale"], answer["x-spot-source"], answer["x-spot-simulated"]) == (
            "true",
            "acme",
            "false",
        )
        assert abs(int(answer["x-spot-as-of"]) - (snapshots.now_ms() - 10**7)) < 60_000

    run(told())


def test_large_answer_is_compressed_when_asked_and_never_when_not() -> None:
    async def check() -> None:
        plain = await get("coins/markets?vs_currency=usd&per_page=250")
        packed = await get("coins/markets?vs_currency=usd&per_page=250", headers={"accept-encoding": "gzip"})
        assert "Content-Encoding" not in plain
        assert packed["Content-Encoding"] == "gzip"
        assert len(packed.content) < len(plain.content) / 2
        assert json.loads(plain.content)

    story(check)


def test_answers_are_bounded_and_keep_no_snapshot(monkeypatch) -> None:
    monkeypatch.setattr(compat._answers, "MOST_BYTES", 20_000)
    held = []

    async def check() -> None:
        for place in range(10):
            await get(f"simple/price?vs_currencies=usd&ids=bitcoin&_={place}")
        held.append(weakref.ref(Hub.current().topics[USD.name].table))
        assert compat._answers._bytes <= 20_000

    story(check)
    gc.collect()
    PAGES.clear()
    gc.collect()
    assert held[0]() is None
