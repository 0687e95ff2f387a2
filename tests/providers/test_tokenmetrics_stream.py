"""Token Metrics' stream: message by message, and against the stand-in over a socket."""

import json
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from providers.errors import BadPayload, NotFound, RateLimited, Unauthorized, Unavailable
from providers.protocols.tokenmetrics import STREAM, Session
from providers.stream import Alive, Channel, Dropped, Rejected, Tick
from standins.tokenmetrics import EXCHANGES, LIMITS, Tokenmetrics
from tests.providers.talking import talk

KEY = "tm-canary-0000-4444-8888-cccccccccccc"
NOW = 1_795_190_412_000
AT = 1_750_779_662_052
BTC, ETH, AVAX = Channel("bitcoin"), Channel("ethereum"), Channel("avalanche")


@pytest.fixture
def session() -> Session:
    made = Session(KEY)
    made.subscribe([BTC, ETH, AVAX])
    return made


def frame(**changes: object) -> dict:
    whole = {
        "timestamp": "2025-06-24 15:41:02",
        "event_timestamp": "2025-06-24 15:41:02",
        "epoch": AT,
        "token_name": "Bitcoin",
        "token_symbol": "BTC",
        "token_id": 3375,
        "cg_id": "bitcoin",
        "exchange": "gate",
        "exchange_rank": 13,
        "exchange_type": "cex",
        "price": 1.0,
        "price_in_usd": 105376.15,
        "volume": 976826225.67417,
        "sequence": 0,
        "last_5s_messages": [],
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not ...}


def received(session: Session, message: object, now_ms: int = NOW) -> object:
    raw = message if isinstance(message, str | bytes) else json.dumps(message)
    (event,) = session.receive(raw, now_ms)
    return event


def price_of(event: object) -> float | None:
    return event.values["price"] if isinstance(event, Tick) else None


# --- what is said ---------------------------------------------------------------------------------------------------
def test_the_first_list_is_said_at_once_and_later_ones_at_most_once_a_second() -> None:
    session = Session(KEY)
    assert session.opened() == []
    assert list(map(json.loads, session.subscribe([ETH, BTC]))) == [{"is_append": 0, "tokens": ["bitcoin", "ethereum"]}]
    assert session.beat(NOW) == []
    assert session.subscribe([BTC]) == session.subscribe([AVAX]) == []
    assert session.beat(NOW + 999) == []
    assert list(map(json.loads, session.beat(NOW + 1_000))) == [{"is_append": 0, "tokens": ["avalanche"]}]
    session.subscribe([])
    assert session.beat(NOW + 1_500) == []
    assert list(map(json.loads, session.beat(NOW + 2_000))) == [{"is_append": 0, "tokens": []}]
    assert session.beat(NOW + 9_000) == []
    assert session.pending() == []


def test_a_clock_that_is_set_back_holds_nothing_up(session: Session) -> None:
    session.beat(NOW)
    session.subscribe([BTC])
    assert session.beat(NOW - 3_600_000)


def test_only_tokens_in_dollars_are_asked_for() -> None:
    strange = [Channel("bitcoin", "eur"), Channel(onchain="kline.14.0xab"), Channel("a b"), Channel("")]
    assert Session(KEY).subscribe(strange) == []


# --- what is heard --------------------------------------------------------------------------------------------------
def test_a_frame_is_a_tick_in_dollars_without_the_exchanges_volume(session: Session) -> None:
    assert received(session, frame()) == Tick("bitcoin", "usd", {"price": 105376.15}, AT)
    events = session.receive(json.dumps([frame(epoch=AT + 1), frame(cg_id="ethereum", token_id=1)]).encode(), NOW)
    assert [event.coin for event in events] == ["bitcoin", "ethereum"]


def test_a_token_is_told_by_its_id_its_name_and_then_its_number(session: Session) -> None:
    by_name = frame(cg_id="avalanche-2", token_name="Avalanche", token_id=7, price_in_usd=20)
    assert received(session, by_name).coin == "avalanche"
    assert received(session, frame(cg_id=None, token_name=None, token_id=7, price_in_usd=21)).coin == "avalanche"
    namesake = frame(cg_id="avalanche-9", token_name="Avalanche", token_id=8, price_in_usd=0.1, exchange_rank=1)
    assert received(session, namesake) == Alive()
    assert received(session, frame(cg_id="avalanche", token_id=9, exchange_rank=1, price_in_usd=22)).coin == "avalanche"


def test_a_token_that_nobody_follows_any_more_is_only_a_sign_of_life(session: Session) -> None:
    assert received(session, frame(cg_id="dogecoin", token_name="Dogecoin", token_id=5)) == Alive()
    received(session, frame())
    session.subscribe([ETH])
    assert received(session, frame(epoch=AT + 5)) == Alive()


def test_the_best_ranked_exchange_speaks_until_it_has_been_quiet_for_half_a_minute(session: Session) -> None:
    gate, dex = frame(), frame(exchange="uniswap", exchange_type="dex", exchange_rank=1, price_in_usd=3)
    best = {"exchange": "binance", "exchange_rank": 1}
    assert price_of(received(session, gate)) == 105376.15
    assert received(session, dex) == Alive()
    assert price_of(received(session, frame(**best, price_in_usd=2))) == 2
    assert received(session, frame(epoch=AT + 1), NOW + 30_000) == Alive()
    assert price_of(received(session, frame(epoch=AT + 2), NOW + 30_001)) == 105376.15
    assert price_of(received(session, frame(**best, price_in_usd=2.5, epoch=AT + 3), NOW + 30_002)) == 2.5
    assert price_of(received(session, frame(exchange_rank=None, exchange=None), NOW + 99_000)) == 105376.15


def test_a_repeated_frame_is_a_sign_of_life_and_an_older_one_is_dropped(session: Session) -> None:
    received(session, frame())
    assert received(session, frame()) == Alive()
    assert isinstance(received(session, frame(epoch=AT - 1, price_in_usd=9)), Dropped)
    assert price_of(received(session, frame(epoch=AT, price_in_usd=9))) == 9


def test_where_a_sequence_is_given_it_tells_the_order_within_an_exchange(session: Session) -> None:
    received(session, frame(sequence=7))
    assert isinstance(received(session, frame(sequence=6, epoch=AT + 9, price_in_usd=9)), Dropped)
    assert price_of(received(session, frame(sequence=8, epoch=AT - 9, price_in_usd=9))) == 9
    assert price_of(received(session, frame(sequence=1, exchange="binance", exchange_rank=1, price_in_usd=8))) == 8


def test_times_are_epochs_or_read_from_beside_them_and_never_ahead_of_ours(session: Session) -> None:
    assert received(session, frame(epoch=None)).at == 1_750_779_662_000
    assert received(session, frame(epoch=..., event_timestamp=..., cg_id="ethereum", token_id=1)).at is None
    assert received(session, frame(epoch=NOW + 30_000, price_in_usd=7)).at == NOW
    far = frame(epoch=NOW + 90_000, event_timestamp="2026-11-20 16:01:42", price_in_usd=7)
    assert [received(session, far) for _ in range(2)] == [Tick("bitcoin", "usd", {"price": 7})] * 2
    assert received(session, frame(epoch=NOW // 1000, event_timestamp=..., price_in_usd=8)).at is None, "in seconds"
    assert received(session, frame(epoch=NOW - 5, price_in_usd=9)).at == NOW - 5


@pytest.mark.parametrize("value", [None, 0, -1, "105376", True, [], {}, 10**400])
def test_a_frame_without_a_believable_price_is_dropped(session: Session, value: object) -> None:
    assert isinstance(received(session, frame(price_in_usd=value)), Dropped)


@pytest.mark.parametrize("field", ["token_id", "exchange", "exchange_rank", "exchange_type", "sequence", "epoch"])
@pytest.mark.parametrize("value", [None, "x", [], {}, -3, 1.5, True, ...])
def test_other_fields_may_be_anything(session: Session, field: str, value: object) -> None:
    assert price_of(received(session, frame(**{field: value}))) == 105376.15


@pytest.mark.parametrize("message", ["", "x", "3", "null", '"x"', b"\xff\xfe", "[" * 9999, "{}", '{"price": 3}', "[3]"])
def test_what_is_no_message_is_dropped(session: Session, message: str | bytes) -> None:
    assert isinstance(received(session, message), Dropped)


def test_a_list_without_end_is_dropped_whole(session: Session) -> None:
    assert [type(event) for event in session.receive(json.dumps([frame()] * 1_001), NOW)] == [Dropped]


@pytest.mark.parametrize(
    ("said", "kind", "fatal"),
    [
        ({"message": f"Invalid API key {KEY}"}, Unauthorized, True),
        ({"error": "Unauthorized"}, Unauthorized, True),
        ({"error": "Subscription limit of 15 symbols exceeded"}, RateLimited, False),
        ({"error": "Invalid message"}, BadPayload, False),
        ({"success": False}, BadPayload, False),
    ],
)
def test_words_of_refusal_are_told_apart(session: Session, said: dict, kind: type, fatal: bool) -> None:
    refusal = received(session, said)
    assert isinstance(refusal, Rejected)
    assert (type(refusal.error), refusal.fatal) == (kind, fatal)
    assert KEY not in refusal.error.message


def test_an_acknowledgement_is_a_sign_of_life(session: Session) -> None:
    assert received(session, {"message": "subscribed"}) == received(session, {"success": True}) == Alive()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", Unauthorized),
        (403, b"Forbidden", Unauthorized),
        (403, b'{"message": "Connection limit exceeded"}', RateLimited),
        (429, b"{}", RateLimited),
        (500, b"[]", Unavailable),
        (404, b"", NotFound),
    ],
)
def test_an_answer_to_the_handshake_has_a_meaning(status: int, body: bytes, kind: type) -> None:
    assert type(STREAM.refused(status, body)) is kind


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [(1000, "", type(None)), (1006, "", type(None)), (1011, "", type(None)), (1008, "", RateLimited),
     (1000, "Invalid x-api-key", Unauthorized), (1008, "Invalid API key", Unauthorized), (4001, "", Unauthorized),
     (4429, "", RateLimited), (1000, "connection limit", RateLimited)],
)  # fmt: skip
def test_a_close_has_a_meaning(code: int, reason: str, kind: type) -> None:
    assert type(STREAM.closed(code, reason)) is kind


# --- against the stand-in -------------------------------------------------------------------------------------------
@pytest.fixture
def standin() -> Iterator[Tokenmetrics]:
    with Tokenmetrics(key=KEY, clock=lambda: NOW, pulse_seconds=0, plan="premium") as running:
        yield running


def test_followed_tokens_come_at_the_prices_of_the_best_exchange(standin: Tokenmetrics) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC, AVAX)
        standin.until(lambda: standin.messages)
        standin.pulse_now()
        events = [event for _ in range(8) for event in client.next()]
    assert events[:2] == [
        Tick("avalanche", "usd", {"price": pytest.approx(standin.price("avalanche-2"))}, NOW),
        Tick("bitcoin", "usd", {"price": pytest.approx(standin.price("bitcoin"))}, NOW),
    ]
    assert events[2:] == [Alive()] * 6


def test_the_list_can_be_replaced_and_added_to(standin: Tokenmetrics) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC)
        client.say(['{"is_append": 1, "tokens": ["solana", "bitcoin"]}'])
        standin.until(lambda: len(standin.messages) == 2)
        assert standin.peers[0].memory["tokens"] == ["bitcoin", "solana"]
        client.beat(NOW)
        client.subscribe(ETH)
        client.beat(NOW + 1_000)
        standin.until(lambda: len(standin.messages) == 3)
        assert standin.peers[0].memory["tokens"] == ["ethereum"]


@pytest.mark.parametrize(("plan", "limits"), LIMITS.items())
def test_no_second_has_more_messages_than_the_plan(plan: str, limits: object) -> None:
    with Tokenmetrics(key=KEY, clock=lambda: NOW, pulse_seconds=0, plan=plan) as standin:
        standin.clock.freeze()
        with talk(STREAM, standin.stream_url, KEY) as client:
            client.subscribe(*(Channel(slug) for slug in list(standin.tokens)[: limits.symbols + 1]))
            (refusal,) = client.next()
            assert type(refusal.error) is RateLimited
            assert not refusal.fatal
            assert len(standin.peers[0].memory["tokens"]) == limits.symbols
            standin.pulse_now()
            standin.pulse_now()
            standin.say({"success": True})
            events = [event for _ in range(limits.messages + 1) for event in client.next()]
    assert [type(event) for event in events] == [Tick] * limits.messages + [Alive]


def test_connections_beyond_the_plan_are_refused() -> None:
    with Tokenmetrics(key=KEY, pulse_seconds=0) as standin, talk(STREAM, standin.stream_url, KEY):
        with pytest.raises(InvalidStatus) as refusal, talk(STREAM, standin.stream_url, KEY):
            pass
        response = refusal.value.response
        assert type(STREAM.refused(response.status_code, response.body)) is RateLimited


@pytest.mark.parametrize("key", ["wrong", ""])
def test_a_wrong_key_is_refused_by_a_status_or_a_close(standin: Tokenmetrics, key: str) -> None:
    with pytest.raises(InvalidStatus) as refusal, talk(STREAM, standin.stream_url, key):
        pass
    response = refusal.value.response
    assert type(STREAM.refused(response.status_code, response.body)) is Unauthorized
    standin.refuses_by = "close"
    with talk(STREAM, standin.stream_url, key) as client, pytest.raises(ConnectionClosed) as closing:
        client.next()
    assert type(STREAM.closed(closing.value.rcvd.code, closing.value.rcvd.reason)) is Unauthorized


def test_a_frame_of_the_standin_has_the_documented_fields(standin: Tokenmetrics) -> None:
    made = standin.frame("bitcoin", EXCHANGES[2])
    assert list(made) == [
        "timestamp", "event_timestamp", "arrival_timestamp", "epoch", "token_address", "token_name", "token_symbol",
        "token_id", "cg_id", "instrument", "exchange", "exchange_rank", "exchange_type", "amount", "amount_in_usd",
        "price", "price_in_usd", "price_against_side_currency", "volume", "side_amount", "transaction_type", "isBid",
        "sequence", "maker_address", "signature", "last_5s_messages",
    ]  # fmt: skip
    assert (made["exchange"], made["exchange_rank"], made["epoch"]) == ("gate", 13, NOW)


def test_doubled_and_garbled_messages_cost_themselves_only(standin: Tokenmetrics) -> None:
    standin.spoil = lambda message: [message, message, {**message, "price_in_usd": float("nan")}, "x"]
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC)
        standin.until(lambda: standin.messages)
        standin.pulse_now()
        events = [event for _ in range(4) for event in client.next()]
    assert [type(event) for event in events] == [Tick, Alive, Dropped, Dropped]


@pytest.mark.parametrize("message", ["x", "[]", '{"is_append": 0}', '{"tokens": 3, "is_append": 1}', "{}"])
def test_the_standin_complains_of_what_it_does_not_understand(standin: Tokenmetrics, message: str) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.say([message])
        assert isinstance(client.next()[0], Rejected)
