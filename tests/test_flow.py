"""From a stand-in provider to a client's frame, through real processes: Celery, Redis, the web server."""

import json
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from providers.sandbox import Sandbox
from spot.management.commands.up import program
from tests.live import LiveSite, connect, get, wait_until

pytestmark = pytest.mark.flow

FIELDS = {
    "coin-heatmap": ["size", "content", "symbol", "price_change_24h", "market_cap", "color"],
    "ticker-tape?coin_ids=bitcoin,ethereum": ["logo", "symbol_pair", "price", "change_pct_24h", "name"],
    "historical-ohlcv?coin_id=bitcoin&days=7": ["timestamp", "open", "high", "low", "close", "volume"],
} | {
    f"{mover}?price_change_percentage=24h,7d": [
        "rank", "name", "logo", "symbol", "price", "market_cap", "volume_24h", "price_change_24h", "price_change_7d",
    ]
    for mover in ("top-gainers", "top-losers", "most-active")
}  # fmt: skip


@pytest.fixture(scope="module")
def standin() -> Iterator[Sandbox]:
    """A provider that Spot takes for the real one, at an address of its own."""
    with Sandbox(seed=11) as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def site(request: pytest.FixtureRequest, make_site: Callable[..., LiveSite], standin: Sandbox) -> Iterator[LiveSite]:
    """A site on that provider, under each server in turn; it ends before the next begins to ask the provider."""
    site = make_site(
        SPOT_DEMO="off", SPOT_SERVER=request.param, COINGECKO_BASE_URL=standin.url, COINGECKO_CALLS_PER_MINUTE="0",
        COINGECKO_CALLS_PER_MONTH="0",
    )  # fmt: skip
    yield site
    site.close()


#: For what is between the provider and the store, in which the web server has no part.
any_server = pytest.mark.parametrize("site", ["uvicorn"], indirect=True)


def read(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=30))


def read_until(client: ClientConnection, condition: Callable[[Any], bool]) -> Any:
    """The first frame that the condition holds for, among the next hundred."""
    return next(frame for frame in (read(client) for _ in range(100)) if condition(frame))


@pytest.mark.parametrize(("feed", "fields"), FIELDS.items())
def test_each_list_feed_has_its_documented_rows(site: LiveSite, feed: str, fields: list[str]) -> None:
    with connect(site.socket(feed), max_size=None) as client:
        rows = read(client)
    assert rows
    assert all(list(row) == fields for row in rows)


def test_the_documented_address_works_as_it_is_printed(site: LiveSite) -> None:
    address = site.socket('market?filters={"Symbol":"BTC"}&sort_by=Market Cap&sort_order=desc&page=1&page_size=20')
    with connect(address) as client:
        frame = read(client)
    symbol = frame["headers"].index("Symbol")
    assert {row[symbol] for row in frame["rows"]} == {"BTC"}


def test_the_market_feed_has_its_documented_table(site: LiveSite) -> None:
    with connect(site.socket("market?per_page=500&price_change_percentage=1h,24h,7d,30d,1y"), max_size=None) as client:
        table = read(client)
    assert table["headers"] == [
        "Row", "Logo", "Symbol", "Name", "Price", "24h Change (%)", "Market Cap", "24h Volume", "7d Chart",
        "1h Change (%)", "7d Change (%)", "30d Change (%)", "1y Change (%)",
    ]  # fmt: skip
    assert [row[0] for row in table["rows"]] == list(range(1, 501))
    assert len(table["rows"][0][8]) == 168


@any_server
def test_what_the_provider_says_is_what_the_client_sees(site: LiveSite, standin: Sandbox) -> None:
    standin.clock.freeze()
    try:
        status, coins = get(f"{standin.url}/coins/markets?vs_currency=usd&per_page=250&price_change_percentage=7d")
        assert status == 200
        said = {coin["id"]: coin for coin in coins}
        with connect(site.socket("top-losers?per_page=50&envelope=1"), max_size=None) as client:
            as_of = max(coin["last_updated"] for coin in coins)
            frame = read_until(client, lambda f: f["type"] == "snapshot" and iso(f["as_of"]) == as_of)
    finally:
        standin.clock.run(1)
    shown = [row for row in frame["data"] if row["id"] in said]
    assert shown
    for row in shown:
        coin = said[row["id"]]
        assert row["price"] == coin["current_price"]
        assert row["symbol"] == coin["symbol"].upper()
        assert row["price_change_7d"] == coin["price_change_percentage_7d_in_currency"]


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@any_server
def test_six_feeds_cost_two_calls_a_poll(site: LiveSite, standin: Sandbox) -> None:
    feeds = ["market", "coin-heatmap", "ticker-tape?coin_ids=bitcoin", "top-gainers", "top-losers", "most-active"]
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(connect(site.socket(f"{feed}{'&' if '?' in feed else '?'}envelope=1"), max_size=None))
            for feed in feeds
        ]
        versions = [read_until(client, lambda f: f["type"] == "snapshot")["version"] for client in sockets]
        seen = len(standin.requests)
        newer: list[int] = []
        for _ in range(3):  # one that has only turned stale is of the same version
            last = (newer or versions)[-1 if newer else 0]
            newer.append(read_until(sockets[0], lambda f: f.get("version", 0) > last)["version"])  # noqa: B023
    pages = Counter(r.params["page"] for r in list(standin.requests)[seen:] if r.path == "/coins/markets")
    assert pages["1"] <= len(newer) + 1
    assert abs(pages["1"] - pages["2"]) <= 1


@any_server
def test_a_second_beat_changes_nothing(site: LiveSite, standin: Sandbox) -> None:
    site.processes["second beat"] = site._spawn(_beat(site))
    try:
        with connect(site.socket("market?envelope=1&page_size=1"), max_size=None) as client:
            read_until(client, lambda f: f["type"] == "snapshot")
            seen = len(standin.requests)
            for _ in range(4):
                read_until(client, lambda f: f["type"] == "snapshot")
    finally:
        site.stop("second beat")
    pages = [r for r in list(standin.requests)[seen:] if r.path == "/coins/markets" and r.params["page"] == "1"]
    assert len(pages) <= 5


def _beat(site: LiveSite) -> Any:
    made = program("beat", site._listener, site.sandbox.url)
    assert made is not None
    schedule = ["--schedule", str(site.home / "second-beat")]
    return replace(made, name="second beat", argv=[*made.argv, *schedule])


@any_server
def test_a_limit_of_the_provider_is_waited_out_with_the_last_good_values(site: LiveSite, standin: Sandbox) -> None:
    with connect(site.socket("market?envelope=1&page_size=1"), max_size=None) as client:
        read_until(client, lambda f: f["type"] == "snapshot")
        standin.faults.add("/coins/markets", "rate_limited", retry_after=8)
        try:
            status = read_until(client, lambda f: f["type"] == "status" and f["state"] == "stale" and f["reason"])
            stale = read_until(client, lambda f: f["type"] == "snapshot" and f["stale"])
            refused = [r.at for r in standin.requests if r.path == "/coins/markets"]
        finally:
            standin.faults.clear()
        assert stale["data"]["rows"]
        assert "CoinGecko asks this site to wait." in status["reason"]
        fresh = read_until(client, lambda f: f["type"] == "snapshot" and not f["stale"])
    calls = [r.at for r in standin.requests if r.path == "/coins/markets"]
    first_refusal = max(at for at in refused)
    # A fetch that had its calls granted a moment before the refusal still makes them.
    assert not [at for at in calls if first_refusal + 1_000 < at < first_refusal + 7_500], "called inside Retry-After"
    assert fresh["version"] > stale["version"]


@any_server
def test_a_worker_that_comes_back_does_not_catch_up(site: LiveSite, standin: Sandbox) -> None:
    with connect(site.socket("market?envelope=1&page_size=1"), max_size=None) as client:
        read_until(client, lambda f: f["type"] == "snapshot")
        site.stop("worker", signal.SIGKILL)
        read_until(client, lambda f: f["type"] == "snapshot" and f["stale"])
        seen = len(standin.requests)
        site.start("worker")
        read_until(client, lambda f: f["type"] == "snapshot" and not f["stale"])
        pages = [r for r in list(standin.requests)[seen:] if r.path == "/coins/markets" and r.params["page"] == "1"]
    assert len(pages) <= 2
    wait_until(site.is_ready)


BAD = [
    ("not json", "bad_message", None),
    ("[1, 2]", "bad_message", None),
    ('{"nonsense": 1}', "unknown_field", "nonsense"),
    ('{"page": -1}', "bad_value", "page"),
    ('{"page_size": 1000000000}', "bad_value", "page_size"),
    ('{"filters": {"price": NaN}}', "bad_message", None),
    ('{"filters": {"price": "a lot"}}', "bad_value", "filters.price"),
    ('{"filters": {"nonsense": 1}}', "unknown_field", "filters"),
    ('{"vs_currency": "zzz"}', "unknown_currency", "vs_currency"),
    ('{"sort_by": ["price"]}', "unknown_field", "sort_by"),
    (b"\x00\x01", "bad_message", None),
]


def test_each_bad_message_gets_one_error_and_changes_nothing(site: LiveSite) -> None:
    with connect(site.socket("market?page_size=3&sort_by=price"), max_size=None) as client:
        names = [row[3] for row in read(client)["rows"]]
        for message, code, field in BAD:
            client.send(message)
            error = read_until(client, lambda f: "type" in f)
            assert (error["type"], error["code"], error.get("field")) == ("error", code, field), error
            assert error["message"]
        client.send('{"sort_order": "desc"}')
        assert [row[3] for row in read(client)["rows"]] == names


@pytest.mark.parametrize(
    ("feed", "code", "close"),
    [
        ("historical-ohlcv?coin_id=../..", "bad_value", 4400),
        ("historical-ohlcv?coin_id=no-such-coin", "unknown_coin", 4404),
        ("historical-ohlcv?coin_id=bitcoin&days=0", "bad_value", 4400),
        ("historical-ohlcv?coin_id=bitcoin&days=366", "bad_value", 4400),
        ("ticker-tape?coin_ids=" + ",".join(f"c{n}" for n in range(51)), "bad_value", 4400),
        ("ticker-tape", "missing_field", 4400),
        ("market?vs_currency=zzz", "unknown_currency", 4404),
        ("market?per_page=501", "bad_value", 4400),
        ("nothing-here", "unknown_feed", 4404),
    ],
)
def test_an_impossible_address_gets_a_reason_and_a_close(
    site: LiveSite, standin: Sandbox, feed: str, code: str, close: int
) -> None:
    seen = len(standin.requests)
    with connect(site.socket(feed), max_size=None) as client:
        error = read(client)
        assert (error["type"], error["code"]) == ("error", code)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=30)
        assert client.close_code == close
    assert not [r for r in list(standin.requests)[seen:] if r.path.startswith("/coins/") and "markets" not in r.path]


def test_a_message_of_a_megabyte_ends_the_connection(site: LiveSite) -> None:
    with connect(site.socket("market?page_size=1"), max_size=None) as client:
        read(client)
        with suppress(ConnectionClosed):
            client.send(json.dumps({"search": "x" * 1_000_000}))
            while True:
                client.recv(timeout=30)
        assert client.close_code == 1009


def test_the_http_twin_says_the_same_as_the_socket(site: LiveSite) -> None:
    status, rows = get(site.twin("historical-ohlcv?coin_id=bitcoin&days=30&page_size=5"))
    assert status == 200, rows
    with connect(site.socket("historical-ohlcv?coin_id=bitcoin&days=30&page_size=5"), max_size=None) as client:
        assert [row["timestamp"] for row in read(client)] == [row["timestamp"] for row in rows]


@pytest.mark.timeout(240)  # a site starts, and its data grow old
def test_the_demo_gives_way_to_real_data_for_good(make_site: Callable[..., LiveSite]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    site = make_site(
        SPOT_DEMO="auto", COINGECKO_BASE_URL=f"http://127.0.0.1:{port}/api/v3", COINGECKO_CALLS_PER_MINUTE="0",
        COINGECKO_CALLS_PER_MONTH="0",
    )  # fmt: skip
    with connect(site.socket("market?envelope=1&page_size=1"), max_size=None) as client:
        demo = read_until(client, lambda f: f["type"] == "snapshot")
        assert (demo["simulated"], demo["source"]) == (True, "sandbox")
        with Sandbox(seed=3, port=port):
            Redis.from_url(site.redis_url).delete("spot:probe")  # or the providers would be asked within a minute
            real = read_until(client, lambda f: f["type"] == "snapshot" and not f["simulated"])
            assert real["source"] == "coingecko"
            assert real["epoch"] != demo["epoch"]
        stale = read_until(client, lambda f: f["type"] == "snapshot" and f["stale"])
    assert stale["simulated"] is False
