"""The Python client, out of its wheel, against the product; and what it is built of."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients import generate
from spot.codes import CLOSES, ERRORS
from spot.feeds import FEEDS
from tests.clients.conftest import CLIENTS, Site
from tests.clients.scripted import snapshot
from tests.live import wait_until

EXAMPLES = sorted((CLIENTS / "python" / "examples").glob("*.py"))


def run(spot_client: Any, site: Site, story: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Run a story with a client of the site."""

    async def told() -> None:
        async with asyncio.timeout(20), spot_client.Client(site.url) as client:
            await story(client)

    asyncio.run(told())


# --- what it is built of ----------------------------------------------------------------------------------------------


def test_what_is_generated_is_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_the_package_knows_the_servers_feeds_and_codes(spot_client: Any) -> None:
    from spot_client import feeds

    assert list(feeds.FEEDS) == list(FEEDS)
    assert {code: fact.reconnect for code, fact in feeds.CLOSES.items()} == {
        int(code): fact.reconnect for code, fact in CLOSES.items()
    }
    assert {code: fact.status for code, fact in ERRORS.items()} == feeds.STATUSES
    for channel, feed in FEEDS.items():
        declared = feeds.FEEDS[channel]
        required = {param.name for param in feed.params if param.required}
        assert {one.name for one in declared.parameters if one.required} == required


def test_the_wheel_and_the_source_archive_are_whole(wheel: Path, tmp_path: Path) -> None:
    from hatchling import build

    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    sources = {str(file.relative_to(CLIENTS / "python" / "src")) for file in (CLIENTS / "python" / "src").rglob("*.py")}
    assert sources | {"spot_client/py.typed"} <= set(names)
    assert not [name for name in names if not name.startswith(("spot_client/", "spot_client-"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(CLIENTS / "python")
        made = tmp_path / build.build_sdist(str(tmp_path))
    with tarfile.open(made) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "pyproject.toml", "examples/get.py", "src/spot_client/py.typed"} <= packed


def test_its_version_is_the_same_everywhere(spot_client: Any) -> None:
    declared = tomllib.loads((CLIENTS / "python" / "pyproject.toml").read_text())["project"]
    from spot_client.address import Server

    assert spot_client.__version__ == declared["version"]
    assert Server("http://x").headers["User-Agent"] == f"spot-client/{declared['version']}"


# --- against the product ----------------------------------------------------------------------------------------------


def test_a_page_has_rows_and_says_where_they_come_from(spot_client: Any, site: Site) -> None:
    async def story(client: Any) -> None:
        page = await client.get("market", search="eth", page_size=1, sparkline=False)
        assert [row["Symbol"] for row in page] == ["ETH"]
        assert page[0]["id"] == "ethereum1" or page[0]["id"] == "ethereum"
        assert (page.feed, page.number, len(page)) == ("market", 1, 1)
        assert page.total == page.pages
        assert (page.source, page.source_label, page.simulated) == ("acme", "Acme", False)
        assert page.as_of is not None
        assert page.params["search"] == "eth"

    run(spot_client, site, story)


PARAMETERS = [
    (
        {"price_change_percentage": ["24h", "7d"], "columns": ("category", "ath")},
        {"price_change_percentage": ["24h", "7d"], "columns": ["category", "ath"]},
    ),
    (
        {"filters": {"Symbol": ["BTC", "ETH"], "price": {"gt": 1}}, "sort_by": "24h Change (%)", "sort_order": "asc"},
        {"filters": {"Symbol": ["BTC", "ETH"], "price": {"gt": 1}}, "sort_by": "price_change_24h"},
    ),
    ({"sparkline": False, "search": "e&=\u00fc%20", "page": None}, {"sparkline": False, "search": "e&=\u00fc%20"}),
]


@pytest.mark.parametrize(("params", "in_force"), PARAMETERS)
def test_parameters_of_any_form_reach_the_server(
    spot_client: Any, site: Site, params: dict[str, Any], in_force: dict[str, Any]
) -> None:
    async def story(client: Any) -> None:
        over_http, over_socket = await client.get("market", **params), await anext(client.watch("market", **params))
        changed = client.watch("market")
        await changed.update(**params)
        assert over_http.params == over_socket.params == (await anext(changed)).params
        assert {name: over_http.params[name] for name in in_force} == in_force

    run(spot_client, site, story)


@pytest.mark.parametrize(
    ("feed", "params", "kind", "field"),
    [
        ("market", {"page_size": 0}, "BadRequest", "page_size"),
        ("market", {"filters": {"nope": 1}}, "BadRequest", "filters"),
        ("ticker-tape", {}, "BadRequest", "coin_ids"),
        ("ticker-tape", {"coin_ids": "nope"}, "NotFound", "coin_ids"),
        ("market", {"vs_currency": "xxx"}, "NotFound", "vs_currency"),
        ("markets", {}, "NotFound", None),
    ],
)
def test_a_refusal_names_the_field_over_http_and_over_a_socket(
    spot_client: Any, site: Site, feed: str, params: dict[str, Any], kind: str, field: str | None
) -> None:
    async def story(client: Any) -> None:
        with pytest.raises(getattr(spot_client, kind)) as over_http:
            await client.get(feed, **params)
        with pytest.raises(getattr(spot_client, kind)) as over_socket:
            await anext(client.watch(feed, **params))
        assert over_http.value.field == field
        assert str(over_http.value) == str(over_socket.value)

    run(spot_client, site, story)


def test_pages_follow_the_market_and_are_what_http_answers(spot_client: Any, site: Site) -> None:
    async def story(client: Any) -> None:
        watch = client.watch("market", page_size=5, sort_by="24h Change (%)")
        await anext(watch)
        for shift in (1.0, -40.0, 3.0):
            await asyncio.to_thread(site.put_market, shift)
            page = await anext(watch)
            assert page.rows == (await client.get("market", page_size=5, sort_by="24h Change (%)")).rows
        await watch.update(search="btc")
        page = await anext(watch)
        assert {row["Symbol"] for row in page} == {"BTC"}
        with pytest.raises(spot_client.NotFound, match="vs_currency"):
            await watch.update(vs_currency="xxx")
        await asyncio.to_thread(site.put_market, 5.0)
        assert {row["Symbol"] for row in await anext(watch)} == {"BTC"}

    run(spot_client, site, story)


def test_a_loop_that_is_left_ends_its_connection(spot_client: Any, site: Site) -> None:
    async def story(client: Any) -> None:
        async for _page in client.watch("market"):
            assert site.sockets == 1
            break
        await asyncio.to_thread(wait_until, lambda: not site.sockets, 5)

    run(spot_client, site, story)


def test_announcements_come_as_they_are_made(spot_client: Any, site: Site) -> None:
    async def story(client: Any) -> None:
        tail = client.tail("listings", last=2)
        first = [await anext(tail), await anext(tail)]
        assert first == list(reversed((await client.get("listings", page_size=2)).rows))
        await asyncio.to_thread(site.put_announcements, 8)
        later = [await anext(tail) for _ in range(3)]
        assert later == list(reversed((await client.get("listings", page_size=3)).rows))
        with pytest.raises(ValueError, match="page_size is no parameter of a tail"):
            client.tail("listings", page_size=3)

    run(spot_client, site, story)


def test_the_synchronous_client_does_the_same(spot_client: Any, site: Site) -> None:
    sync = sys.modules["spot_client.sync"]
    with sync.Client(site.url) as client:
        page = client.get("market", page_size=2)
        watch = client.watch("market", page_size=2)
        assert next(watch).rows == page.rows
        assert watch.connected
        watch.update(search="btc")
        assert {row["Symbol"] for row in next(watch)} == {"BTC"}
        with pytest.raises(spot_client.BadRequest):
            watch.update(page_size=0)
        assert watch.params == {"page_size": 2, "search": "btc"}
        assert next(client.tail("listings", last=1))["exchange"]
        assert client.csv("market").startswith("Row,")
        assert [len(page) for page in client.batch([("ticker-tape", {"coin_ids": ["bitcoin"]})])] == [1]
    wait_until(lambda: not site.sockets, 5)


def test_a_batch_has_a_page_or_a_refusal_for_each_view(spot_client: Any, site: Site) -> None:
    async def story(client: Any) -> None:
        views = [
            ("market", {"search": "btc", "page_size": 1}),
            ("top-gainers", {"per_page": 2}),
            ("market", {"page": 0}),
        ]
        market, gainers, refused = await client.batch(views)
        assert [row["Symbol"] for row in market] == ["BTC"]
        assert market.headers
        assert (len(gainers), gainers.source, gainers.stale) == (2, "acme", False)
        assert market.head["version"] == gainers.head["version"]
        assert isinstance(refused, spot_client.BadRequest)
        assert refused.field == "views[2].params.page"
        again, single = await client.batch(views[:1]), await client.get("market", search="btc", page_size=1)
        assert again[0].rows is market.rows  # a 304
        assert single.rows is market.rows
        with pytest.raises(spot_client.BadRequest, match="1 to 20"):
            await client.batch([views[0]] * 21)

    run(spot_client, site, story)


@pytest.mark.usefixtures("at_once")
def test_a_batch_asks_again_for_the_views_that_may_come_later(spot_client: Any) -> None:
    asked = []
    later = {"type": "error", "code": "unavailable", "message": "Later.", "retry": True}
    page = {"status": 200, "headers": {"ETag": 'W/"1"'}, "body": snapshot(1, "a")}

    def answer(request: httpx.Request) -> httpx.Response:
        views = json.loads(request.content)["views"]
        asked.append([view["feed"] for view in views])
        waits = {"status": 503, "headers": {"Retry-After": "0"}, "body": later}
        return httpx.Response(
            200, json={"views": [waits if len(asked) < 3 and v["feed"] == "onchain" else page for v in views]}
        )

    async def story() -> None:
        async with spot_client.Client("http://x") as client:
            client._http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
            pages = await client.batch([("onchain", {"channel": "swaps"}), ("listings", {})])
            assert [page[0]["id"] for page in pages] == ["a", "a"]
            assert asked == [["onchain", "listings"], ["onchain"], ["onchain"]]

    asyncio.run(story())


def test_pages_become_data_frames(spot_client: Any, site: Site) -> None:
    async def story(client: Any) -> None:
        page = await client.get("historical-ohlcv", coin_id="bitcoin")
        pandas, polars = page.to_pandas(), page.to_polars()
        assert pandas.shape == polars.shape == (len(page), 6)
        first = page[0]["timestamp"] * 1_000_000
        assert pandas["timestamp"].dt.as_unit("ns").astype("int64").iloc[0] == first
        assert polars["timestamp"].dt.epoch("ns")[0] == first
        assert pandas["close"].tolist() == polars["close"].to_list() == [row["close"] for row in page]
        empty = await client.get("market", search="nobody has this")
        assert len(empty.to_pandas()) == len(empty.to_polars()) == 0

    run(spot_client, site, story)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_of_ten_lines_runs(example: Path, site: Site, environment: Path) -> None:
    text = example.read_text()
    assert len(text.strip().splitlines()) <= 21
    command = [environment / "bin" / "python", example, site.url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout
    assert not ran.stderr
