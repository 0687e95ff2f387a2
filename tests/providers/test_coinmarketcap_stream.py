"""CoinMarketCap's stream, message by message."""

import json
from typing import Any

import orjson
import pytest

from providers.errors import NotFound, RateLimited, Unauthorized, Unavailable
from providers.protocols import coinmarketcap_errors as errors
from providers.protocols.coinmarketcap import PRICES, STREAM, Session
from providers.stream import Alive, Channel, Dropped, OnchainEvent, Rejected, Tick

NOW = 1_793_610_880_000
BTC, ETH = Channel(coin="1"), Channel(coin="1027")
TOKEN = "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d"
WALLET = "6p6xgHyF7AeE6TZkSmFsko444wqoP15icUSqi2jfGiPN"
KLINE = Channel(onchain=f"kline.14.{TOKEN}.1m")
SWAPS = Channel(onchain=f"transaction.14.{TOKEN}")
PUSH = {"p": 81187.93, "vu": 29932025976.79, "mc": 1626089237758.01, "cs": 20028706, "p24h": 0.534, "p1y": None}


def following(*channels: Channel) -> Session:
    session = Session("key")
    session.opened()
    session.subscribe(channels)
    return session


def sent(messages: list[str]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def price(cid: Any = 1, ts: Any = NOW, params: Any = None, **data: Any) -> str:
    echoed = {"crypto_ids": cid} if params is None else params
    return json.dumps(
        {"type": "data", "channel": PRICES, "params": echoed, "data": {"cid": cid, **PUSH, **data}, "ts": ts}
    )


def event(channel: str, data: dict[str, Any], ts: Any = NOW, **params: Any) -> str:
    echoed = {"platform_id": 14, "address": TOKEN} | params
    return json.dumps({"type": "data", "channel": f"onchain@{channel}", "params": echoed, "data": data, "ts": ts})


def ack(number: int, **more: Any) -> str:
    return json.dumps({"type": "ack", "id": number, "code": 0, "msg": "ok", **more})


def error(number: int | None, code: Any, message: str = "No.", **status: Any) -> str:
    body = {"type": "error", "status": {"error_code": code, "error_message": message, **status}}
    return json.dumps(body | ({} if number is None else {"id": number}))


def one(session: Session, message: str | bytes) -> Any:
    events = session.receive(message, NOW)
    assert len(events) == 1
    return events[0]


# --- following ------------------------------------------------------------------------------------------------------
def test_nothing_is_said_at_first_and_coins_are_asked_for_in_one_message() -> None:
    session = Session("key")
    assert session.opened() == []
    assert sent(session.subscribe([BTC, ETH])) == [
        {"id": 1, "method": "subscribe", "channel": PRICES, "params": {"crypto_ids": [1, 1027]}}
    ]
    assert session.subscribe([ETH, BTC]) == []


def test_a_change_is_said_as_the_difference_what_leaves_first() -> None:
    session = following(BTC, ETH)
    assert sent(session.subscribe([ETH, Channel(coin="52")])) == [
        {"id": 2, "method": "unsubscribe", "channel": PRICES, "params": {"crypto_ids": [1]}},
        {"id": 3, "method": "subscribe", "channel": PRICES, "params": {"crypto_ids": [52]}},
    ]


def test_many_coins_go_in_batches_of_fifty_and_no_more_than_a_hundred_the_first_first() -> None:
    messages = sent(Session().subscribe([Channel(coin=str(n)) for n in range(1, 131)]))
    assert [message["params"]["crypto_ids"] for message in messages] == [list(range(1, 51)), list(range(51, 101))]


def test_addresses_share_a_message_by_channel_platform_and_interval() -> None:
    channels = [KLINE, Channel(onchain="kline.14.0xAbCdEf0123.1m"), Channel(onchain=f"kline.14.{TOKEN}.5m"), SWAPS]
    assert [message["params"] for message in sent(Session().subscribe(channels))] == [
        {"platform_id": 14, "address": [TOKEN, "0xAbCdEf0123"], "interval": "1m"},
        {"platform_id": 14, "address": [TOKEN], "interval": "5m"},
        {"platform_id": 14, "address": [TOKEN]},
    ]


@pytest.mark.parametrize(
    ("topic", "channel", "params"),
    [
        (f"pool_metric.16.{WALLET}", "onchain@pool_metric", {"platform_id": 16, "pool_address": [WALLET]}),
        (
            f"holder_wallet_update.16.{WALLET}",
            "onchain@holder_wallet_update",
            {"platform_id": 16, "wallet_address": [WALLET]},
        ),
    ],
)
def test_pools_and_wallets_have_parameters_of_their_own(topic: str, channel: str, params: dict[str, Any]) -> None:
    assert sent(Session().subscribe([Channel(onchain=topic)])) == [
        {"id": 1, "method": "subscribe", "channel": channel, "params": params}
    ]


@pytest.mark.parametrize(
    "channel",
    [
        Channel(coin="1", currency="eur"),
        Channel(coin="bitcoin"),
        Channel(coin="0"),
        Channel(),
        Channel(onchain=f"kline.14.{TOKEN}"),
        Channel(onchain=f"transaction.14.{TOKEN}.1m"),
    ],
)
def test_what_the_stream_has_not_is_not_asked_for(channel: Channel) -> None:
    assert Session().subscribe([channel]) == []


# --- pings ----------------------------------------------------------------------------------------------------------
def test_pings_go_out_at_the_interval_of_the_welcome() -> None:
    session = Session()
    assert isinstance(one(session, '{"type": "welcome", "ping_interval_ms": 4000}'), Alive)
    assert session.beat(NOW) == []
    assert session.beat(NOW + 3_999) == []
    assert sent(session.beat(NOW + 4_000)) == [{"id": 1, "method": "ping"}]
    assert session.beat(NOW + 4_001) == []


@pytest.mark.parametrize(("stated", "due"), [(None, 10_000), ("soon", 10_000), (1, 1_000), (10**8, 60_000)])
def test_a_welcome_cannot_make_us_ping_all_the_time_or_never(stated: Any, due: int) -> None:
    session = Session()
    session.receive(json.dumps({"type": "welcome", "ping_interval_ms": stated}), NOW)
    session.beat(NOW)
    assert session.beat(NOW + due - 1) == []
    assert len(session.beat(NOW + due)) == 1


@pytest.mark.parametrize(
    "pong", [{"type": "pong", "id": 1, "code": 0, "ts": NOW}, {"id": 2, "code": 0, "ts": NOW, "msg": "PONG"}]
)
def test_a_pong_is_a_sign_of_life_with_or_without_its_type(pong: dict[str, Any]) -> None:
    assert one(Session(), json.dumps(pong)) == Alive(NOW)


# --- prices ---------------------------------------------------------------------------------------------------------
def test_a_price_comes_with_what_else_is_known_and_null_is_left_out() -> None:
    assert one(following(BTC), price(p7d=-3.25, p30d=1, p60d=9.9, fdv24h=0.5)) == Tick(
        "1",
        "usd",
        {
            "price": 81187.93,
            "volume_24h": 29932025976.79,
            "market_cap": 1626089237758.01,
            "circulating_supply": 20028706,
            "price_change_24h": 0.534,
            "price_change_7d": -3.25,
            "price_change_30d": 1,
        },
        NOW,
    )


def test_bytes_are_read_like_text() -> None:
    assert isinstance(one(following(BTC), price().encode()), Tick)


@pytest.mark.parametrize("value", [0, -1, None, "81187", True, [], 10**400])
def test_a_price_that_is_none_is_dropped(value: Any) -> None:
    assert isinstance(one(following(BTC), price(p=value)), Dropped)


@pytest.mark.parametrize("cid", [None, "bitcoin", 0, -1, True, 1.5])
def test_a_price_without_its_coin_is_dropped(cid: Any) -> None:
    assert isinstance(one(following(BTC), price(cid, params={})), Dropped)


@pytest.mark.parametrize(
    "message",
    [price().replace("81187.93", "NaN"), price().replace("0.534", "1e999"), price()[:-7], "", b"\xff\x00", "[" * 5000],
)
def test_what_is_not_json_is_dropped(message: Any) -> None:
    assert isinstance(one(following(BTC), message), Dropped)


def test_a_value_beside_the_price_that_cannot_be_is_left_out() -> None:
    tick = one(following(BTC), price(vu=-5, mc="x", p24h=[]))
    assert tick.values == {"price": 81187.93, "circulating_supply": 20028706}


def test_a_price_that_says_two_coins_is_dropped() -> None:
    assert isinstance(one(following(BTC), price(1, params={"crypto_ids": 1027})), Dropped)
    assert isinstance(one(following(BTC), price(1, params={"crypto_ids": [1]})), Tick)


def test_a_late_price_of_a_coin_nobody_follows_any_more_is_but_a_sign_of_life() -> None:
    session = following(BTC)
    session.subscribe([ETH])
    assert one(session, price()) == Alive(NOW)


@pytest.mark.parametrize("ts", [None, "now", -1, 0, True, 10**15])
def test_a_time_that_is_none_leaves_the_price(ts: Any) -> None:
    tick = one(following(BTC), price(ts=ts))
    assert isinstance(tick, Tick)
    assert tick.at is None


def test_a_clock_that_is_ahead_does_not_make_a_price_fresher_and_one_behind_is_believed() -> None:
    assert one(following(BTC), price(ts=NOW + 30_000)).at == NOW
    far = one(following(BTC), price(ts=NOW + 90_000))
    assert (far.values["price"], far.at) == (81187.93, None)
    assert one(following(BTC), price(ts=NOW - 90_000)).at == NOW - 90_000


# --- on-chain events ------------------------------------------------------------------------------------------------
SWAP = {"pid": 14, "tp": "sell", "vu": 167.1, "tx": "0xade9", "ts": NOW - 500, "lgid": 59, "ex": False, "txtp": 0}


def test_an_event_belongs_to_the_topic_of_its_channel_and_parameters() -> None:
    session = following(KLINE, SWAPS)
    candle = {"o": 1.0, "h": 1.1, "l": 0.9, "c": 1.05, "vu": 3237.47, "ot": NOW - 60_000}
    happened = one(session, event("kline", candle, interval="1m"))
    assert isinstance(happened, OnchainEvent)
    assert happened.topic == KLINE.onchain
    assert (happened.row["at"], happened.row["data"]) == (NOW, candle)
    assert one(session, event("transaction", SWAP)).topic == SWAPS.onchain
    assert one(session, event("kline", candle, interval="5m")) == Alive(NOW)
    assert one(session, event("kline", candle, platform_id=1, interval="1m")) == Alive(NOW)


def test_an_address_may_come_back_in_another_spelling() -> None:
    checksum = "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d"
    assert one(following(SWAPS), event("transaction", SWAP, address=checksum)).topic == SWAPS.onchain
    assert one(following(SWAPS), event("transaction", SWAP, address=[TOKEN])).topic == SWAPS.onchain


def test_a_swap_is_known_by_transaction_and_log_whichever_token_it_came_for() -> None:
    other = f"transaction.14.0x{'5' * 40}"
    session = following(SWAPS, Channel(onchain=other))
    first = one(session, event("transaction", SWAP))
    second = one(session, event("transaction", SWAP | {"vu": 167}, ts=NOW + 40, address=f"0x{'5' * 40}"))
    assert (first.topic, second.topic) == (SWAPS.onchain, other)
    assert first.row["id"] == second.row["id"]
    assert first.row["at"] == NOW - 500
    assert one(session, event("transaction", SWAP | {"lgid": 60})).row["id"] != first.row["id"]


def test_on_solana_a_swap_is_known_by_transaction_and_instruction() -> None:
    channel = Channel(onchain=f"liquidity_event.16.{WALLET}")
    body = {"txn": "5Kd…", "iix": 3, "tp": "add", "vu": 49.8}
    where = {"platform_id": 16, "address": WALLET}
    ids = [
        one(following(channel), event("liquidity_event", body | more, **where)).row["id"]
        for more in ({}, {"vu": 50}, {"iix": 4})
    ]
    assert ids[0] == ids[1] != ids[2]


def test_other_events_are_known_by_content_and_time() -> None:
    session = following(KLINE)
    candle = {"o": 1.0, "c": 1.05, "ot": NOW}
    first, again = (one(session, event("kline", candle, interval="1m")).row["id"] for _ in range(2))
    later = one(session, event("kline", candle, NOW + 1, interval="1m")).row["id"]
    other = one(session, event("kline", candle | {"c": 1.06}, interval="1m")).row["id"]
    assert first == again
    assert len({first, later, other}) == 3


def test_an_event_of_a_clock_that_is_far_ahead_is_the_same_when_it_comes_again() -> None:
    session, message = following(KLINE), event("kline", {"o": 1.0, "c": 1.05}, NOW + 3_600_000, interval="1m")
    first, again = ([happened] for [happened] in (session.receive(message, NOW + after) for after in (0, 700)))
    assert first[0].row["id"] == again[0].row["id"]
    assert [first[0].row["at"], again[0].row["at"]] == [NOW, NOW + 700]


def test_what_is_relayed_survives_a_strict_encoder() -> None:
    odd = SWAP | {"a0": 2**80, "t0s": "\u200bUS\nDC", "deep": {"a": {"b": [None, True, "x" * 5000]}}}
    data = one(following(SWAPS), event("transaction", odd)).row["data"]
    assert (data["a0"], data["t0s"], data["ex"]) == (float(2**80), "USDC", False)
    assert data["deep"]["a"]["b"][:2] == [None, True]
    assert len(data["deep"]["a"]["b"][2]) == 300
    assert orjson.loads(orjson.dumps(data)) == data


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        "7",
        "null",
        "{}",
        '{"type": []}',
        '{"type": "surprise"}',
        '{"type": "data"}',
        '{"type": "data", "channel": "market@crypto_latest_price", "data": []}',
        '{"type": "data", "channel": 7, "data": {}}',
        '{"type": "data", "channel": "onchain@kline", "data": {}}',
        '{"type": "data", "channel": "onchain@kline", "params": {"platform_id": "x", "address": "y"}, "data": {}}',
        '{"type": "data", "channel": "onchain@kline", "params": {"platform_id": 14, "address": [1, 2]}, "data": {}}',
        '{"type": "error"}',
        '{"type": "error", "status": {"error_code": []}}',
    ],
)
def test_messages_of_any_other_shape_are_dropped(message: str) -> None:
    assert isinstance(one(following(BTC, KLINE), message), Dropped)


# --- refusals -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "kind", "fatal", "wait"),
    [
        ("1001", Unauthorized, True, None),
        (1006, NotFound, True, None),
        ("1010", RateLimited, True, 21_600.0),
        ("2302", NotFound, False, None),
        ("2304", RateLimited, True, 300.0),
        ("5001", Unavailable, False, None),
        ("9999", Unavailable, False, None),
    ],
)
def test_an_error_says_what_it_means(code: Any, kind: type, fatal: bool, wait: float | None) -> None:
    refused = one(Session(), error(None, code, "This is why.", error_detail="Param 'x'."))
    assert isinstance(refused, Rejected)
    assert (type(refused.error) is kind or isinstance(refused.error, kind), refused.fatal) == (True, fatal)
    assert refused.error.message == f"{code}: This is why. Param 'x'."
    assert refused.error.retry_after == wait


def test_of_a_batch_with_one_bad_coin_the_good_ones_are_asked_for_alone() -> None:
    session = following(BTC, Channel(coin="999999"))
    refused = one(session, error(1, "2402"))
    assert isinstance(refused, Rejected)
    assert not refused.fatal
    again = sent(session.pending())
    assert [message["params"]["crypto_ids"] for message in again] == [[1], [999999]]
    assert session.pending() == []
    session.receive(ack(again[0]["id"], sub_count=1, sub_limit=100), NOW)
    session.receive(error(again[1]["id"], "2402"), NOW)
    assert session.pending() == []
    assert session.subscribe([BTC, Channel(coin="999999")]) == []
    assert isinstance(one(session, price()), Tick)


def test_where_there_is_no_room_less_is_asked_for_until_something_leaves() -> None:
    session = following(BTC)
    session.receive(ack(1), NOW)
    request = sent(session.subscribe([BTC, ETH]))[0]
    session.receive(error(request["id"], "2303"), NOW)
    assert session.subscribe([BTC, ETH]) == []
    assert [message["method"] for message in sent(session.subscribe([ETH]))] == ["unsubscribe", "subscribe"]


def test_the_limit_that_is_stated_holds_from_then_on() -> None:
    session = following(BTC, ETH)
    session.receive(ack(1, sub_count=2, sub_limit=2), NOW)
    assert session.subscribe([BTC, ETH, Channel(coin="52")]) == []


def test_what_failed_for_the_servers_own_reasons_is_asked_for_again_after_a_while() -> None:
    session = following(BTC)
    session.beat(NOW)
    session.receive(error(1, "5001"), NOW)
    assert [message["method"] for message in sent(session.beat(NOW + 29_000))] == ["ping"]
    assert [message["method"] for message in sent(session.beat(NOW + 30_000))] == ["subscribe"]


def test_a_duplicate_subscription_is_acknowledged_like_any_other() -> None:
    session = following(BTC)
    assert one(session, ack(1, duplicate=True, sub_count=1, sub_limit=100)) == Alive(None)
    assert isinstance(one(session, price()), Tick)


def test_an_acknowledgement_with_a_code_is_a_refusal() -> None:
    refused = one(following(BTC), json.dumps({"type": "ack", "id": 1, "code": 2301, "msg": "Channel does not exist."}))
    assert isinstance(refused.error, NotFound)


# --- the ends of a connection ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("code", "kind", "permanent"),
    [
        (4004, RateLimited, False),
        (4100, Unauthorized, True),
        (4101, Unauthorized, True),
        (4102, NotFound, True),
        (1011, Unavailable, False),
        (1012, Unavailable, False),
        (1013, Unavailable, False),
        (1014, Unavailable, False),
        (4999, Unavailable, False),
    ],
)
def test_a_close_says_whether_to_come_back(code: int, kind: type, permanent: bool) -> None:
    problem = STREAM.closed(code, "said so")
    assert isinstance(problem, kind)
    assert problem.permanent is permanent
    assert (problem.retry_after == 300.0) is (code == 4004)


@pytest.mark.parametrize("code", [1000, 1001])
def test_ordinary_ends_are_no_problem(code: int) -> None:
    assert STREAM.closed(code, "") is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"status": {"error_code": "1001", "error_message": "This API Key is invalid."}}', Unauthorized),
        (401, b"nothing to see", Unauthorized),
        (403, b'{"status": {"error_code": 1006, "error_message": "No."}}', NotFound),
        (429, b'{"status": {"error_code": 1010, "error_message": "No."}}', RateLimited),
        (429, b"", RateLimited),
        (404, b"{}", NotFound),
        (502, b"<html>", Unavailable),
        (302, b"", Unavailable),
    ],
)
def test_a_refused_handshake_says_why(status: int, body: bytes, kind: type) -> None:
    assert isinstance(STREAM.refused(status, body), kind)


def test_the_key_goes_in_the_header_and_nowhere_else() -> None:
    assert STREAM.headers("a-key") == {"X-CMC_PRO_API_KEY": "a-key"}
    assert not STREAM.query
    session = STREAM.session("canary-key")
    assert not [text for text in [*session.opened(), *session.subscribe([BTC]), *session.beat(NOW)] if "canary" in text]


@pytest.mark.parametrize(
    ("value", "made"), [(7, 7), ("1008", 1008), (True, None), ("", None), ("12x", None), (-1, None)]
)
def test_codes_come_as_numbers_or_digits(value: Any, made: int | None) -> None:
    assert errors.whole(value) == made
