"""Sockets as clients meet them: documented frames, live changes, mistakes that cost nothing, limits, clean endings."""

import asyncio
import csv
import io
import json

import pytest

from providers.datasets import Dataset
from spot import snapshots
from spot.clients import limits
from spot.clients.limits import admission
from spot.clients.plans import anonymous
from spot.dialects import own
from spot.feeds import FEEDS
from spot.hub.hub import Hub
from spot.snapshots import Trouble
from spot.web import consumers
from spot.web.consumers import Connection
from tests.spot.dialects.test_own import applied, page_of
from tests.spot.feeds.test_view import ADDRESSES, EXAMPLES, written
from tests.spot.rows import COINS, CURRENCIES, USD, candles, coin, market
from tests.spot.sockets import Socket, eventually, put, put_everything, put_lists, put_market, run

ROUTES = {route.path.rpartition("/")[2]: route for route in own.ROUTES}
ROUTE = ROUTES["market"]
BITCOIN_30 = Dataset("candles", "usd", "bitcoin", 30)
pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture(autouse=True)
def no_slot_leaks():
    """Whatever a test does to its sockets, all of them are counted out at its end."""
    yield
    assert len(admission) == 0


# --- documented frames ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", FEEDS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_documented_example_is_answered_with_rows(channel, slash) -> None:
    async def story() -> None:
        await put_everything()
        for text in (EXAMPLES[channel], ADDRESSES.get(channel, "")):
            for raw in written(text) if text else [b""]:
                async with Socket(channel + slash, raw) as socket:
                    frame = await socket.frame()
                    assert frame["rows"] if channel == "market" else frame, raw

    run(story())


def test_the_plain_frame_is_the_documented_shape_and_nothing_else() -> None:
    async def story() -> None:
        rows = market(3)
        await put_market(3)
        async with Socket("coin-heatmap") as socket:
            assert await socket.frame() == [
                {
                    "size": r["market_cap"],
                    "content": f"{r['symbol']} {r['price_change_24h']:.2f}%",
                    "symbol": r["symbol"],
                    "price_change_24h": r["price_change_24h"],
                    "market_cap": r["market_cap"],
                    "color": "green" if r["price_change_24h"] > 0 else "red",
                }
                for r in rows
            ]
            assert await socket.silent()

    run(story())


def test_a_new_snapshot_is_pushed_and_the_same_values_are_not() -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("market", "sort_by=market_cap") as socket:
            first = await socket.frame()
            await put(USD, market(3))
            assert await socket.silent()
            await put(USD, market(3, shift=1.0))
            second = await socket.frame()
            assert [row[4] for row in second["rows"]] == [row["price"] for row in market(3, shift=1.0)]
            assert second != first

    run(story())


def test_a_message_changes_the_view_at_once_and_null_clears() -> None:
    async def story() -> None:
        await put_market(10)
        async with Socket("market", "page_size=3") as socket:
            assert [row[2] for row in (await socket.frame())["rows"]] == ["BTC", "ETH", "USDT"]
            await socket.send({"page": 2})
            assert [(row[0], row[2]) for row in (await socket.frame())["rows"]] == [(4, "SOL"), (5, "DOGE"), (6, "XMR")]
            await socket.send({"search": "eth", "page": 1})
            assert [row[2] for row in (await socket.frame())["rows"]] == ["ETH", "USDT"]
            await socket.send({"search": None, "page_size": None, "filters": {"Symbol": "btc"}})
            assert [row[2] for row in (await socket.frame())["rows"]] == ["BTC"]
            await socket.send({"filters": None})
            assert len((await socket.frame())["rows"]) == 10
            await socket.send({"vs_currency": "eur"})
            await put(Dataset("markets", "eur"), market(2))
            assert len((await socket.frame())["rows"]) == 2

    run(story())


def test_the_answer_to_a_message_comes_even_when_it_is_the_same_again() -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("market") as socket:
            first = await socket.frame()
            await socket.send({"page": 99})
            assert await socket.frame() == first
            await socket.send({"action": "resync"})
            assert await socket.frame() == first

    run(story())


def test_two_clients_with_different_queries_see_only_their_own_rows() -> None:
    async def story() -> None:
        await put_market(10)
        async with Socket("market", "search=bitcoin") as one, Socket("market", "search=monero") as other:
            for shift in (1.0, 2.0):
                assert [row[2] for row in (await one.frame())["rows"]] == ["BTC"]
                assert [row[2] for row in (await other.frame())["rows"]] == ["XMR"]
                await put(USD, market(10, shift))

    run(story())


# --- the envelope -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("query", "subprotocols"), [("envelope=1", None), ("", ["spot.v2"])])
def test_the_envelope_is_had_by_the_address_or_by_the_subprotocol(query, subprotocols) -> None:
    async def story() -> None:
        await put_market(3, age_ms=500)
        async with Socket("market", query, subprotocols=subprotocols) as socket:
            assert socket.accepted["subprotocol"] == ("spot.v2" if subprotocols else None)
            frame = await socket.next("snapshot")
            assert (frame["type"], frame["channel"], frame["source"], frame["stale"], frame["simulated"]) == (
                "snapshot",
                "market",
                "acme",
                False,
                False,
            )
            assert (frame["total"], frame["page"], frame["pages"], len(frame["data"]["rows"])) == (3, 1, 1, 3)
            assert frame["max_age_ms"] == 120_000

    run(story())


@pytest.mark.parametrize("channel", ["market", "top-gainers", "ticker-tape", "coin-heatmap"])
def test_deltas_add_up_to_the_next_page(channel) -> None:
    async def story() -> None:
        await put_market(8)
        coins = "coin_ids=bitcoin,tether,monero" if channel == "ticker-tape" else "page_size=5&sort_by=price_change_24h"
        async with (
            Socket(channel, f"envelope=1&delta=1&{coins}") as socket,
            Socket(channel, f"envelope=1&{coins}") as whole,
        ):
            first = await socket.next("snapshot")
            page, seq = page_of(first), first["seq"]
            await whole.next("snapshot")
            for shift in (0.5, 0.5, 9.0, -3.0):
                rows = market(8, shift)
                rows[1]["price_change_24h"] = None if shift == 9.0 else shift * 7
                await put(USD, rows)
                delta, full = await socket.next("delta"), await whole.next("snapshot")
                assert (delta["type"], delta["base"]) == ("delta", seq)
                page, seq = applied(page, delta), delta["seq"]
                assert list(page.items()) == list(page_of(full).items())
                assert [delta[name] for name in ("version", "as_of", "total")] == [
                    full[name] for name in ("version", "as_of", "total")
                ]
            await socket.send({"action": "resync"})
            again = await socket.frame()
            assert again["type"] == "snapshot"
            assert list(page_of(again).items()) == list(page.items())

    run(story())


def test_after_a_change_of_query_a_delta_client_gets_a_whole_page() -> None:
    async def story() -> None:
        await put_market(8)
        async with Socket("market", "envelope=1&delta=1") as socket:
            first = await socket.next("snapshot")
            await socket.send({"page_size": 2})
            second = await socket.frame()
            assert (second["type"], len(second["data"]["rows"])) == ("snapshot", 2)
            assert second["seq"] > first["seq"]

    run(story())


def test_candles_say_their_interval_and_what_their_volume_means() -> None:
    async def story() -> None:
        await put_lists()
        await put(BITCOIN_30, candles(4), meta={"interval_ms": 1_800_000, "volume_basis": "rolling_24h"})
        async with Socket("historical-ohlcv", "coin_id=bitcoin&envelope=1") as socket:
            frame = await socket.next("snapshot")
            assert (frame["interval_ms"], frame["volume_basis"]) == (1_800_000, "rolling_24h")
            assert frame["data"] == candles(4)

    run(story())


# --- freshness --------------------------------------------------------------------------------------------------------


def test_data_that_grow_old_turn_stale_without_any_news() -> None:
    async def story() -> None:
        await put_lists()
        await put(USD, market(2), interval=1.0, age_ms=5200)
        async with (
            Socket("market", "envelope=1") as rich,
            Socket("market", "status=1") as told,
            Socket("market") as plain,
        ):
            assert not (await rich.next("snapshot"))["stale"]
            while "rows" not in await told.frame():
                pass
            await plain.frame()
            assert (await rich.next("snapshot"))["stale"]
            status = await told.next("status")
            assert (status["state"], status["channel"]) == ("stale", "market")
            assert status["age_ms"] > 6000
            assert await plain.silent(0.1)
            await put(USD, market(2), interval=60)
            assert not (await rich.next("snapshot"))["stale"]
            assert (await told.next("status"))["state"] == "live"
            assert await plain.silent()

    run(story())


def test_heartbeats_tell_the_age_where_they_are_asked_for(settings) -> None:
    settings.SPOT_HEARTBEAT_SECONDS = 0.5

    async def story() -> None:
        await put_market(2, age_ms=5000)
        async with (
            Socket("market", "status=1") as told,
            Socket("market", "envelope=1") as rich,
            Socket("market") as plain,
        ):
            await plain.frame()
            for socket in (told, rich):
                beat = await socket.next("heartbeat")
                assert beat["channel"] == "market"
                assert beat["age_ms"] >= 5000
                assert beat["stale"] is False
            assert await plain.silent(0.1)

    run(story())


def test_while_there_are_no_data_only_those_who_asked_are_told_so() -> None:
    async def story() -> None:
        async with (
            Socket("market") as plain,
            Socket("market", "status=1") as told,
            Socket("market", "envelope=1") as rich,
        ):
            for socket in (told, rich):
                status = await socket.frame()
                assert (status["type"], status["state"], status["fetched_at"]) == ("status", "waiting", None)
            assert await plain.silent()
            trouble = Trouble("unavailable", "10.0.0.7 is away.", 1, 99, public="Acme is out of reach.")
            await asyncio.to_thread(snapshots.set_trouble, USD, trouble)
            status = await rich.next("status")
            assert (status["state"], status["reason"], status["next_try_ms"]) == (
                "unavailable",
                "Acme is out of reach.",
                99,
            )
            await put_market(2)
            assert (await plain.frame())["rows"]
            assert (await rich.next("snapshot"))["data"]["rows"]
            while (await told.next("status"))["state"] != "live":
                pass

    run(story())


def test_a_plain_client_meets_no_frame_of_a_type_that_it_did_not_ask_for(settings) -> None:
    settings.SPOT_HEARTBEAT_SECONDS = 0.2

    async def story() -> None:
        async with Socket("coin-heatmap") as plain:
            await asyncio.to_thread(snapshots.set_trouble, USD, Trouble("unavailable", "No.", 1, None))
            await put_market(2, simulated=True)
            await plain.frame()
            await put_market(2, shift=1.0)
            await plain.frame()
            await put(USD, market(2, shift=2.0), interval=0.1, source="other")
            await plain.frame()
            await asyncio.sleep(1.5)
            await plain.send({"page": 0})
            await plain.send({"action": "ping"})
            assert (await plain.frame())["type"] == "error"
            assert (await plain.frame())["type"] == "pong"
            kinds = [type(json.loads(text)) for text in plain.frames]
            assert kinds == [list, list, list, dict, dict]

    run(story())


def test_a_change_of_source_is_announced_in_the_envelope() -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("market", "envelope=1") as socket:
            await socket.next("snapshot")
            await put(USD, market(2), source="other")
            notice = await socket.next("notice")
            assert notice["code"] == "source_changed"
            assert "Other" in notice["message"]
            assert (await socket.next("snapshot"))["source"] == "other"

    run(story())


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = [
    ("{", None),
    ("[]", None),
    ("5", None),
    ("", None),
    ("\x00", None),
    ("[" * 50_000, None),
    ('{"page": NaN}', None),
    ('{"a": "\\ud800"}', None),
    ('{"page": ' + "9" * 5000 + "}", None),
    ('{"search": "' + "x" * 70_000 + '"}', None),
    ({"bogus": 1}, "bogus"),
    ({"page": -1}, "page"),
    ({"page_size": 10**9}, "page_size"),
    ({"page": "x"}, "page"),
    ({"sort_by": "bogus"}, "sort_by"),
    ({"filters": {"bogus": 1}}, "filters"),
    ({"filters": "{"}, "filters"),
    ({"search": ["x"]}, "search"),
    ({"per_page": 501}, "per_page"),
    ({"vs_currency": "xyz"}, "vs_currency"),
    ({"vs_currency": "../.."}, "vs_currency"),
    ({"price_change_percentage": "2h"}, "price_change_percentage"),
    ({"envelope": 1}, "envelope"),
    ({"action": "explode"}, "action"),
    ({"action": "export", "format": "xlsx"}, "format"),
    ({"search": "btc", "page": 0}, "page"),
    ({"coin_id": "bitcoin"}, "coin_id"),
]


def test_each_mistake_gets_one_error_frame_and_costs_nothing(settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 0

    async def story() -> None:
        await put_market(5)
        async with Socket("market", "search=eth&page_size=1&page=2") as socket:
            assert [row[2] for row in (await socket.frame())["rows"]] == ["USDT"]
            for mistake, field in MISTAKES:
                await socket.send(mistake)
                error = await socket.frame()
                assert (error["type"], error.get("field")) == ("error", field), mistake
                assert error["code"]
                assert error["message"].endswith(".")
                assert field is None or field in error["message"]
            await socket.send_bytes(b"\xff\x00")
            assert (await socket.frame())["code"] == "bad_message"
            await socket.send({})
            assert [row[2] for row in (await socket.frame())["rows"]] == ["USDT"]
            await put(USD, market(5, shift=1.0))
            assert [row[2] for row in (await socket.frame())["rows"]] == ["USDT"]

    run(story())


@pytest.mark.parametrize(
    ("channel", "query", "code", "field", "close"),
    [
        ("market", "page=-1", "bad_value", "page", 4400),
        ("market", "filters={", "bad_value", "filters", 4400),
        ("market", "bogus=1", "unknown_field", "bogus", 4400),
        ("market", "delta=1", "bad_value", "delta", 4400),
        ("market", "search=%ff", "bad_message", None, 4400),
        ("market", "vs_currency=xyz", "unknown_currency", "vs_currency", 4404),
        ("historical-ohlcv", "", "missing_field", "coin_id", 4400),
        ("historical-ohlcv", "coin_id=../..", "bad_value", "coin_id", 4400),
        ("historical-ohlcv", "coin_id=nosuchcoin", "unknown_coin", "coin_id", 4404),
        ("historical-ohlcv", "coin_id=bitcoin&days=0", "bad_value", "days", 4400),
        ("historical-ohlcv", "coin_id=bitcoin&days=366", "bad_value", "days", 4400),
        ("ticker-tape", "coin_ids=" + ",".join(f"c{n}" for n in range(51)), "bad_value", "coin_ids", 4400),
        ("ticker-tape", "coin_ids=nosuchcoin,another", "unknown_coin", "coin_ids", 4404),
        ("coin-heatmap", "page=5", "bad_value", "page", 4400),
    ],
)
def test_who_asks_for_what_cannot_be_is_told_and_closed(channel, query, code, field, close) -> None:
    async def story() -> None:
        await put_market(5)
        async with Socket("market") as warm:  # the hub has the lists now
            await warm.frame()
            async with Socket(channel, query) as socket:
                assert socket.accepted
                error = await socket.frame()
                assert (error["type"], error["code"], error.get("field")) == ("error", code, field)
                assert await socket.closed() == close

    run(story())


def test_an_unknown_path_gets_a_reason_and_4404() -> None:
    async def story() -> None:
        for path in (
            "/",
            "/tzone_apis/services/spot/ws/",
            "/tzone_apis/services/spot/ws/nothing",
            "/tzone_apis/services/spot/ws/market/x",
        ):
            async with Socket("", path=path) as socket:
                assert (await socket.frame())["code"] == "unknown_feed"
                await socket.send({"page": 1})
                assert await socket.closed() == 4404

    run(story())


def test_who_asked_too_early_for_a_coin_that_does_not_exist_is_closed_when_the_lists_come() -> None:
    async def story() -> None:
        async with Socket("historical-ohlcv", "coin_id=nosuchcoin") as socket:
            assert await socket.silent()
            await put_lists()
            assert (await socket.frame())["code"] == "unknown_coin"
            assert await socket.closed() == 4404
        assert not Hub.current().groups

    run(story())


def test_a_late_refusal_brings_back_what_was_there_before() -> None:
    async def story() -> None:
        await put(CURRENCIES, [{"id": "usd"}])
        await put(USD, market(3))
        async with Socket("ticker-tape", "coin_ids=bitcoin") as socket:
            assert [item["name"] for item in await socket.frame()] == ["Bitcoin"]
            await socket.send({"coin_ids": "nosuchcoin"})
            await socket.send({"coin_ids": "nosuchcoin,another"})
            assert await socket.silent()
            await put(COINS, [{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}])
            assert (await socket.frame())["code"] == "unknown_coin"
            assert [item["name"] for item in await socket.frame()] == ["Bitcoin"]
            await put(USD, market(3, shift=1.0))
            assert [item["price"] for item in await socket.frame()] == [market(1, shift=1.0)[0]["price"]]

    run(story())


def test_who_changed_one_impossible_wish_into_another_is_closed_and_not_forgotten() -> None:
    async def story() -> None:
        async with Socket("historical-ohlcv", "coin_id=nosuchcoin") as socket:
            await socket.send({"days": 7})
            assert await socket.silent()
            await put_lists()
            assert (await socket.frame())["code"] == "unknown_coin"
            assert await socket.closed() == 4404

    run(story())


def test_a_coin_that_the_market_has_needs_no_list() -> None:
    async def story() -> None:
        async with Socket("ticker-tape", "coin_ids=bitcoin") as socket:
            await put(CURRENCIES, [{"id": "usd"}])
            assert await socket.silent()
            await put(USD, market(3))
            assert [item["name"] for item in await socket.frame()] == ["Bitcoin"]

    run(story())


# --- export -----------------------------------------------------------------------------------------------------------


def test_an_export_holds_the_whole_filtered_range_whatever_page_is_shown() -> None:
    async def story() -> None:
        await put_lists()
        await put(BITCOIN_30, candles(20))
        start = candles(20)[5]["timestamp"]
        async with Socket("historical-ohlcv", f"coin_id=bitcoin&page_size=2&start_time={start}") as socket:
            assert len(await socket.frame()) == 2
            await socket.send({"action": "export", "format": "csv"})
            read = list(csv.reader(io.StringIO(await socket.text())))
            assert read[0][:6] == ["timestamp", "open", "high", "low", "close", "volume"]
            assert [int(row[0]) for row in read[1:]] == [row["timestamp"] for row in candles(20)[5:]]

    run(story())


def test_an_export_in_the_envelope_comes_with_a_file_name() -> None:
    async def story() -> None:
        await put_market(2)
        async with Socket("top-gainers", "envelope=1&min_volume=0") as socket:
            await socket.next("snapshot")
            await socket.send({"action": "export"})
            export = await socket.next("export")
            assert (export["format"], export["filename"]) == ("csv", "top-gainers-usd.csv")
            assert export["data"].startswith(
                "rank,name,logo,symbol,price,market_cap,volume_24h,price_change_24h,id,source\r\n1,Bitcoin,"
            )

    run(story())


def test_an_export_is_of_the_newest_values_though_the_page_shown_stayed_the_same() -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("top-gainers", "min_volume=0&page_size=1&sort_by=name") as socket:
            await socket.frame()
            rows = market(3)
            rows[2]["price"] = 777.0
            await put(USD, rows)
            assert await socket.silent()
            await socket.send({"action": "export"})
            assert "777.0" in await socket.text()

    run(story())


def test_there_is_nothing_to_export_before_the_first_data() -> None:
    async def story() -> None:
        async with Socket("market") as socket:
            await socket.send({"action": "export"})
            error = await socket.frame()
            assert (error["code"], error["retry"]) == ("unavailable", True)

    run(story())


# --- limits -----------------------------------------------------------------------------------------------------------


def test_connections_of_one_address_are_bounded_and_come_free_again(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 2

    async def story() -> None:
        await put_market(1)
        async with (
            Socket("market") as _one,
            Socket("market") as _two,
            Socket("market") as three,
            Socket("market", address="192.0.2.9") as other,
        ):
            assert (await three.frame())["code"] == "too_many_connections"
            assert await three.closed() == 4430
            assert (await other.frame())["rows"]
        async with Socket("market") as again:
            assert (await again.frame())["rows"]

    run(story())


def test_connections_in_all_are_bounded(settings) -> None:
    settings.SPOT_CONNECTIONS = 1

    async def story() -> None:
        async with Socket("market"), Socket("market", address="192.0.2.9") as two:
            assert (await two.frame())["code"] == "overloaded"
            assert await two.closed() == 1013

    run(story())


def test_fifty_handshakes_at_once_get_exactly_as_many_sockets_as_are_allowed(settings) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 5

    async def story() -> None:
        await put_market(1)
        sockets = [Socket("market") for _ in range(50)]
        await asyncio.gather(*(socket.__aenter__() for socket in sockets))
        frames = [await socket.frame() for socket in sockets]
        assert sum("rows" in frame for frame in frames) == 5
        await asyncio.gather(*(socket.__aexit__() for socket in sockets))

    run(story())


def test_messages_that_come_too_fast_are_not_heard_and_at_last_cut_once(settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 1

    async def story() -> None:
        await put_market(5)
        async with Socket("market") as socket:
            await socket.frame()
            for _ in range(3):
                await socket.send({"page_size": 2})
                assert "rows" in await socket.frame()
            await socket.send({"page_size": 3})
            error = await socket.frame()
            assert (error["code"], error["retry"]) == ("too_many_messages", True)
            for _ in range(300):
                await socket.send({"page_size": 3})
            assert await socket.closed() == 4429
            await asyncio.sleep(0.2)
            assert await socket.silent()

    run(story())


def test_distinct_queries_are_bounded_and_the_old_one_stays(settings) -> None:
    settings.SPOT_QUERIES = 2

    async def story() -> None:
        await put_market(5)
        async with (
            Socket("market", "page_size=1") as one,
            Socket("market", "page_size=2") as two,
            Socket("market", "page_size=3") as three,
        ):
            await one.frame()
            await two.frame()
            assert (await three.frame())["code"] == "too_many_queries"
            assert await three.closed() == 4413
            await one.send({"page_size": 4})
            assert (await one.frame())["code"] == "too_many_queries"
            await put(USD, market(5, shift=1.0))
            assert len((await one.frame())["rows"]) == 1
            await one.send({"page_size": 2})
            assert len((await one.frame())["rows"]) == 2

    run(story())


def test_currencies_and_charts_and_rare_coins_are_bounded(settings) -> None:
    settings.SPOT_CURRENCIES, settings.SPOT_CHARTS, settings.SPOT_EXTRA_COINS = 1, 1, 1
    settings.SPOT_PINNED_CURRENCIES = settings.SPOT_PINNED_COINS = []

    async def story() -> None:
        await put_market(2)
        await put_lists(coins=("bitcoin", "rare", "rarer"))
        async with Socket("market") as socket, Socket("historical-ohlcv", "coin_id=bitcoin") as _chart:
            await socket.frame()
            for channel, query in (
                ("market", "vs_currency=eur"),
                ("historical-ohlcv", "coin_id=rare"),
                ("historical-ohlcv", "coin_id=bitcoin&days=365"),
                ("ticker-tape", "coin_ids=rare,rarer"),
            ):
                async with Socket(channel, query) as refused:
                    error = await refused.frame()
                    assert error["code"] == "too_many_datasets", query
                    assert await refused.closed() == 4413
            async with Socket("ticker-tape", "coin_ids=rare,bitcoin") as fine:
                assert [item["name"] for item in await fine.frame()] == ["Bitcoin"]

    run(story())


# --- slow and broken connections --------------------------------------------------------------------------------------


class Stuck:
    """A server whose client stopped reading after so many frames."""

    def __init__(self, after: int) -> None:
        self.left, self.sent, self.inbox = after, [], asyncio.Queue()
        self.free = asyncio.Event()

    async def send(self, event) -> None:
        if event["type"] == "websocket.send":
            if not self.left:
                await self.free.wait()
            self.left -= 1
        self.sent.append(event)


def consumer_scope(query: bytes = b""):
    client, path = anonymous("192.0.2.7"), f"/{ROUTE.path}"
    asked = {"path": path, "query_string": query, "subprotocols": [], "headers": []}
    return {"type": "websocket", "spot.client": client, **asked}


def test_a_slow_reader_gets_the_newest_state_only() -> None:
    async def story() -> None:
        await put_market(2)
        await put(USD, market(2, shift=0.0))
        server = Stuck(after=1)
        app = asyncio.create_task(Connection(ROUTE)(consumer_scope(), server.inbox.get, server.send))
        await server.inbox.put({"type": "websocket.connect"})
        await eventually(lambda: len(server.sent) == 2)  # accepted, first frame
        async with Socket("market") as good:
            await good.frame()
            for shift in (1.0, 2.0, 3.0, 4.0, 5.0):
                await put(USD, market(2, shift))
                await good.frame()
        server.left = 100
        server.free.set()
        await eventually(lambda: len(server.sent) >= 4)
        shown = [json.loads(event["text"])["rows"][0][4] for event in server.sent[1:]]
        assert shown == [market(1, shift)[0]["price"] for shift in (0.0, 1.0, 5.0)]
        await server.inbox.put({"type": "websocket.disconnect", "code": 1000})
        await app

    run(story())


def test_who_does_not_read_is_cut_at_the_deadline_and_others_are_not_held_up(settings) -> None:
    settings.SPOT_SEND_SECONDS = 0.3

    async def story() -> None:
        await put_market(2)
        server = Stuck(after=0)
        app = asyncio.create_task(Connection(ROUTE)(consumer_scope(), server.inbox.get, server.send))
        await server.inbox.put({"type": "websocket.connect"})
        async with Socket("market") as good:
            await good.frame()
            await asyncio.wait_for(app, 5)
            assert server.sent[-1] == {"type": "websocket.close", "code": 4508}
            await put(USD, market(2, 1.0))
            await good.frame()
        assert not Hub.current().groups

    run(story())


def test_no_slot_and_no_group_is_left_when_the_connection_ends_with_an_exception() -> None:
    async def story() -> None:
        await put_market(2)

        async def broken(event) -> None:
            if event["type"] == "websocket.accept":
                raise OSError("gone")

        for send in (broken, Stuck(after=9).send):
            inbox: asyncio.Queue = asyncio.Queue()
            app = asyncio.create_task(Connection(ROUTE)(consumer_scope(), inbox.get, send))
            await inbox.put({"type": "websocket.connect"})
            await inbox.put({"type": "websocket.nonsense"})
            with pytest.raises((OSError, AttributeError)):
                await app
        app = asyncio.create_task(Connection(ROUTE)(consumer_scope(), asyncio.Queue().get, Stuck(after=9).send))
        await asyncio.sleep(0)
        app.cancel()
        with pytest.raises(asyncio.CancelledError):
            await app
        assert not Hub.current().groups

    run(story())


def test_search_finds_names_in_any_script() -> None:
    async def story() -> None:
        await put_lists()
        await put(USD, [coin("a", name="比特币 🚀"), coin("b", name="Straße")])
        async with Socket("market", "search=%E6%AF%94%E7%89%B9") as socket:
            assert [row[3] for row in (await socket.frame())["rows"]] == ["比特币 🚀"]
            await socket.send({"search": "STRASSE"})
            assert [row[3] for row in (await socket.frame())["rows"]] == ["Straße"]

    run(story())


def test_who_is_over_the_limit_and_does_not_leave_gets_no_more_closes(settings, monkeypatch) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 1
    monkeypatch.setattr(limits.farewells, "_in_all", lambda: 10)
    monkeypatch.setattr(limits.farewells, "_each", lambda _plan: 2)

    async def story() -> None:
        await put_market(1)
        denying = {"websocket.http.response": {}}
        async with Socket("market") as first, Socket("market") as told, Socket("nothing") as too:
            assert (await first.frame())["rows"]
            assert (await told.frame())["code"] == (await too.frame())["code"] == "too_many_connections"
            for extensions, answer in ((denying, "websocket.http.response.start"), ({}, "websocket.close")):
                refused = Socket("market")
                refused.scope["extensions"] = extensions
                async with refused:
                    assert refused.refused["type"] == answer
                    if extensions:
                        assert refused.refused["status"] == 429
                        assert int(dict(refused.refused["headers"])[b"retry-after"]) > 0
                        assert json.loads(await refused.body())["code"] == "too_many_connections"
            async with Socket("market", address="192.0.2.9") as other:
                assert (await other.frame())["rows"]
        assert (len(limits.farewells), len(limits.admission)) == (0, 0)

    run(story())


def test_a_long_address_is_not_remembered() -> None:
    remembered = consumers._opening.kept

    def opening(channel: str, query_string: bytes):
        return consumers._opening(query_string, ROUTES[channel], (), 1000)

    remembered.cache_clear()
    for number in range(50):
        opening("ticker-tape", b"coin_ids=%d%s" % (number, b"%20" * 2000))
    assert remembered.cache_info().currsize == 0
    one, two = (opening("market", b"search=btc") for _ in range(2))
    assert one is two


def test_an_export_costs_as_much_as_several_messages(settings) -> None:
    settings.SPOT_MESSAGES_PER_SECOND = 4.0  # twelve at once

    async def story() -> None:
        await put_market(1)
        async with Socket("market") as socket:
            await socket.frame()
            for _ in range(2):
                await socket.send({"action": "export"})
                assert (await socket.text()).startswith("Row,")
            codes = []
            while "too_many_messages" not in codes:  # some come back while they are written
                await socket.send({"action": "export"})
                text = await socket.text()
                codes.append(json.loads(text)["code"] if text.startswith("{") else "")
            assert len(codes) <= 10

    run(story())
