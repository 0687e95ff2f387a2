"""CoinAPI's stream: message by message, and against the stand-in over a socket."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from providers.errors import NotFound, RateLimited, Unauthorized, Unavailable
from providers.protocols.coinapi import STREAM, Session
from providers.stream import Alive, Channel, Dropped, GoingAway, Rejected, Tick
from standins.coinapi import Coinapi
from tests.providers.talking import talk

KEY = "73034021-canary-0000-0000-000000000000"
NOW = 1_795_190_412_000
AT = 1_791_360_516_321
BTC, ETH = Channel("BTC"), Channel("ETH", "eur")


@pytest.fixture
def session() -> Session:
    made = Session(KEY)
    made.subscribe([BTC, ETH])
    return made


def frame(**changes: object) -> str:
    whole = {
        "type": "exrate",
        "time": "2026-10-07T08:08:36.3210000Z",
        "asset_id_base": "BTC",
        "asset_id_quote": "USD",
        "rate": 122780.5,
    }
    return json.dumps({name: value for name, value in {**whole, **changes}.items() if value is not ...})


def received(session: Session, message: str | bytes) -> object:
    (event,) = session.receive(message, NOW)
    return event


# --- what is said ---------------------------------------------------------------------------------------------------
def test_a_hello_names_the_pairs_and_asks_for_heartbeats() -> None:
    session = Session(KEY)
    assert session.opened() == []
    (hello,) = session.subscribe([BTC, ETH])
    assert json.loads(hello) == {
        "type": "hello",
        "apikey": KEY,
        "subscribe_data_type": ["exrate"],
        "subscribe_filter_asset_id": ["BTC/USD", "ETH/EUR"],
        "heartbeat": True,
        "subscribe_update_limit_ms_exrate": 1000,
    }
    assert (session.pending(), session.beat(NOW)) == ([], [])


def test_a_new_scope_is_a_new_hello_an_equal_one_is_none_and_an_empty_one_ends_the_old(session: Session) -> None:
    assert session.subscribe([ETH, BTC]) == []
    assert json.loads(session.subscribe([ETH])[0])["subscribe_filter_asset_id"] == ["ETH/EUR"]
    (ending,) = map(json.loads, session.subscribe([]))
    assert (ending["type"], ending["subscribe_filter_asset_id"]) == ("unsubscribe", ["ETH/EUR"])


def test_without_a_pair_nothing_is_said_because_an_empty_hello_would_ask_for_everything() -> None:
    strange = [Channel(onchain="kline.14.0xab"), Channel("a/b"), Channel("BTC", "u/d"), Channel("")]
    assert Session(KEY).subscribe(strange) == []


# --- what is heard --------------------------------------------------------------------------------------------------
def test_a_rate_is_a_tick_by_its_own_time(session: Session) -> None:
    assert received(session, frame()) == Tick("BTC", "usd", {"price": 122780.5}, AT)
    assert received(
        session, frame(asset_id_base="ETH", asset_id_quote="EUR", rate=3822, rate_type="VWAP").encode()
    ) == Tick("ETH", "eur", {"price": 3822}, AT)


@pytest.mark.parametrize(("digits", "at"), [("3219999", AT), ("0000000", AT - 321), ("3210001", AT)])
def test_seven_digits_after_the_point_are_read_to_the_millisecond(session: Session, digits: str, at: int) -> None:
    assert received(session, frame(time=f"2026-10-07T08:08:36.{digits}Z")).at == at


def test_a_repeated_rate_is_a_sign_of_life_and_an_older_one_is_dropped(session: Session) -> None:
    received(session, frame())
    assert received(session, frame()) == Alive()
    assert isinstance(received(session, frame(time="2026-10-07T08:08:36.3200000Z")), Dropped)
    assert received(session, frame(time="2026-10-07T08:08:36.3220000Z", rate=1.5)).values == {"price": 1.5}


def test_where_a_sequence_is_given_it_tells_the_order(session: Session) -> None:
    assert received(session, frame(sequence=7)).sequence == 7
    assert received(session, frame(sequence=7)) == Alive()
    assert isinstance(received(session, frame(sequence=6, rate=2, time="2026-10-07T08:09:00.0000000Z")), Dropped)
    assert received(session, frame(sequence=8, rate=3)).sequence == 8
    assert received(session, frame(sequence="9", time="2026-10-07T08:09:00.0000000Z")).sequence == 0


def test_a_clock_that_is_ahead_makes_nothing_fresher_than_the_moment_it_came(session: Session) -> None:
    def second(offset: int) -> str:
        return f"{datetime.fromtimestamp(NOW // 1000 + offset, UTC):%Y-%m-%dT%H:%M:%S}.0000000Z"

    assert received(session, frame(time=second(30))) == Tick("BTC", "usd", {"price": 122780.5}, NOW)
    # Further ahead its time decides nothing: not the tick's, not the order, not what is a repetition.
    assert received(session, frame(time="2031-01-01T00:00:01.0000000Z", rate=2)) == Tick("BTC", "usd", {"price": 2})
    assert received(session, frame(time="2031-01-01T00:00:01.0000000Z", rate=2)) == Tick("BTC", "usd", {"price": 2})
    assert received(session, frame(time=second(-5), rate=3)) == Tick(
        "BTC", "usd", {"price": 3}, NOW // 1000 * 1000 - 5_000
    )


def test_a_rate_that_nobody_follows_any_more_is_only_a_sign_of_life(session: Session) -> None:
    assert received(session, frame(asset_id_base="DOGE")) == Alive()
    assert received(session, frame(asset_id_base="ETH")) == Alive()


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": None}, {"rate": 0}, {"rate": -1}, {"rate": "122780"}, {"rate": True}, {"rate": ...}, {"rate": 10**400},
        {"time": None}, {"time": "soon"}, {"time": 1791360516}, {"time": ...}, {"asset_id_base": 3},
        {"asset_id_quote": None}, {"asset_id_base": ...}, {"type": "exrates"}, {"type": None}, {"type": []},
    ],
)  # fmt: skip
def test_a_rate_that_cannot_be_believed_is_dropped(session: Session, changes: dict) -> None:
    assert isinstance(received(session, frame(**changes)), Dropped)


@pytest.mark.parametrize("message", ["", "x", "[]", "3", "null", '"x"', b"\xff\xfe", "[" * 9999, frame() + "x"])
def test_what_is_no_message_is_dropped(session: Session, message: str | bytes) -> None:
    assert isinstance(received(session, message), Dropped)


@pytest.mark.parametrize("spelling", ["heartbeat", "hearbeat"])
def test_a_heartbeat_is_a_sign_of_life_in_both_spellings(session: Session, spelling: str) -> None:
    assert received(session, json.dumps({"type": spelling})) == Alive()


@pytest.mark.parametrize(
    ("stated", "within"), [(10, 10.0), (0, 0.0), (None, 0.0), ("10", 0.0), (-5, 0.0), (1e9, 600.0)]
)
def test_a_reconnect_says_within_what_time(session: Session, stated: object, within: float) -> None:
    said = {"type": "reconnect", "within_seconds": stated, "before_time": "2020-08-06T19:19:09.7035429Z"}
    assert received(session, json.dumps(said)) == GoingAway(within)


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Invalid API key", Unauthorized),
        (f"no such apikey {KEY}", Unauthorized),
        ("Insufficient Usage Credits", RateLimited),
        ("Too many concurrent connections for this subscription", RateLimited),
        ("Not available in your plan, please upgrade", NotFound),
        ("Something else", Unavailable),
        (None, Unavailable),
    ],
)
def test_an_error_is_the_end_of_the_connection_in_words_without_the_key(
    session: Session, sentence: object, kind: type
) -> None:
    refusal = received(session, json.dumps({"type": "error", "message": sentence}))
    assert isinstance(refusal, Rejected)
    assert refusal.fatal
    assert type(refusal.error) is kind
    assert KEY not in refusal.error.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error": "Invalid API key"}', Unauthorized),
        (403, b'{"error": "Quota exceeded"}', RateLimited),
        (403, b"<html>", RateLimited),
        (429, b"", RateLimited),
        (503, b"", Unavailable),
        (404, b"[]", NotFound),
    ],
)
def test_an_answer_to_the_handshake_has_a_meaning(status: int, body: bytes, kind: type) -> None:
    assert type(STREAM.refused(status, body)) is kind


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [(1000, "", type(None)), (1006, "", type(None)), (1012, "restart", type(None)), (1008, "", RateLimited),
     (1008, "invalid apikey", Unauthorized)],
)  # fmt: skip
def test_a_close_has_a_meaning(code: int, reason: str, kind: type) -> None:
    assert type(STREAM.closed(code, reason)) is kind


# --- against the stand-in -------------------------------------------------------------------------------------------
@pytest.fixture
def standin() -> Iterator[Coinapi]:
    with Coinapi(key=KEY, clock=lambda: NOW, pulse_seconds=0) as running:
        yield running


def test_followed_pairs_come_at_the_prices_of_the_market(standin: Coinapi) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC, ETH)
        standin.until(lambda: standin.messages)
        standin.pulse_now()
        ticks = [*client.next(), *client.next()]
    assert ticks == [
        Tick("BTC", "usd", {"price": pytest.approx(standin.price("bitcoin"))}, NOW),
        Tick("ETH", "eur", {"price": pytest.approx(standin.price("ethereum", "eur"))}, NOW),
    ]


def test_a_second_hello_replaces_the_first_and_silence_brings_heartbeats(standin: Coinapi) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC)
        client.subscribe(ETH)
        standin.until(lambda: len(standin.messages) == 2)
        standin.pulse_now()
        assert [event.coin for event in client.next()] == ["ETH"]
        standin.pulse_now()  # within the second that we asked to have between two rates
        assert client.next() == [Alive()]
        standin.clock.advance(1_000)
        standin.pulse_now()
        assert [event.at for event in client.next()] == [NOW + 1_000]
        client.subscribe()
        standin.until(lambda: len(standin.messages) == 3)
        standin.clock.advance(1_000)
        standin.pulse_now()
        assert client.next() == [Alive()]


def test_doubled_and_shuffled_messages_lose_nothing_and_go_back_nowhere(standin: Coinapi) -> None:
    standin.spoil = lambda message: [message, message, {**message, "time": "2020-01-01T00:00:00.0000000Z", "rate": 1}]
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC)
        standin.until(lambda: standin.messages)
        standin.pulse_now()
        events = [event for _ in range(3) for event in client.next()]
    assert [type(event) for event in events] == [Tick, Alive, Dropped]


def test_a_wrong_key_is_refused_in_the_handshake(standin: Coinapi) -> None:
    with pytest.raises(InvalidStatus) as refusal, talk(STREAM, standin.stream_url, "wrong"):
        pass
    response = refusal.value.response
    error = STREAM.refused(response.status_code, response.body)
    assert (type(error), error.message) == (Unauthorized, "401: Invalid API key")


def test_a_wrong_key_in_the_hello_is_an_error_and_a_close(standin: Coinapi) -> None:
    headerless = STREAM.__class__(
        **{name: getattr(STREAM, name) for name in STREAM.__slots__} | {"headers": lambda _: {}}
    )
    with talk(headerless, standin.stream_url, "wrong") as client:
        client.subscribe(BTC)
        (refusal,) = client.next()
        assert type(refusal.error) is Unauthorized
        with pytest.raises(ConnectionClosed):
            client.next()


def test_one_connection_too_many_is_an_error_and_a_close(standin: Coinapi) -> None:
    standin.connections_allowed = 1
    with talk(STREAM, standin.stream_url, KEY) as first, talk(STREAM, standin.stream_url, KEY) as second:
        first.subscribe(BTC)
        second.subscribe(BTC)
        (refusal,) = second.next()
        assert type(refusal.error) is RateLimited


def test_a_reconnect_is_announced_before_the_close(standin: Coinapi) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.subscribe(BTC)
        standin.until(lambda: standin.messages)
        standin.announce_reconnect(10)
        assert client.next() == [GoingAway(10.0)]


@pytest.mark.parametrize("message", ["x", "[]", '{"type": "hi"}', '{"type": "subscribe"}', '{"type": "hello"}'])
def test_the_standin_ends_a_conversation_that_it_does_not_understand(standin: Coinapi, message: str) -> None:
    with talk(STREAM, standin.stream_url, KEY) as client:
        client.say([message])
        assert isinstance(client.next()[0], Rejected)
        with pytest.raises(ConnectionClosed):
            client.next()
