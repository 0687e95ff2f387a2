"""cryptolisting.ws: its session message by message, its refusals and closes, and its stand-in over a real socket."""

import json
import os
from pathlib import Path

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import providers
from providers.datasets import LISTING_FIELDS
from providers.errors import BadPayload, RateLimited, Unauthorized, Unavailable
from providers.stream import Alive, Announced, Channel, Dropped, Rejected
from standins.cryptolisting import TYPES, Cryptolisting

PROVIDER = providers.get("cryptolisting")
STREAM = PROVIDER.stream
NOW = 1_795_190_412_000
OLD = {
    "type": "announcement",
    "title": "Binance Will List Alpha (AAA), Beta (BBB) and Gamma (CCC)",
    "ticker": "AAA,bbb, CCC ,AAA,",
    "publisher": "Binance",
    "listingType": "spot_listing",
    "publishTimestampUs": 1_795_190_400_123_456,
    "detectedTimestampUs": 1_795_190_400_200_999,
    "dispatchTimestampUs": 1_795_190_400_201_000,
}
NEW = {
    "type": "announcement",
    "title": "Upbit ends trading of Delta",
    "ticker": "DDD",
    "publisher": "upbit",
    "listingType": "spot_delisting",
    "detectedTimestampUs": 1_795_190_400_200_999,
    "dispatchTimestampUs": 1_795_190_400_201_000,
    "abnormalDetectionLatency": False,
}


def heard(message: object) -> list:
    """What a session makes of a message: a value as JSON in a binary frame, bytes and text as they are."""
    frame = message if isinstance(message, (str, bytes)) else json.dumps(message).encode()
    return STREAM.session("dsk_secret").receive(frame, NOW)


def row(message: dict) -> dict:
    """The row of an announcement."""
    [event] = heard(message)
    assert isinstance(event, Announced), event
    return event.row


# --- messages ---------------------------------------------------------------------------------------------------------


def test_an_announcement_of_the_older_generation_becomes_a_row() -> None:
    made = row(OLD)
    assert set(made) == set(LISTING_FIELDS) - {"received_at", "source"}
    assert {name: made[name] for name in made if name != "id"} == {
        "exchange": "binance",
        "type": "spot_listing",
        "title": OLD["title"],
        "tickers": ["AAA", "BBB", "CCC"],
        "published_at": 1_795_190_400_123,
        "detected_at": 1_795_190_400_200,
    }


def test_an_announcement_of_the_newer_generation_has_no_time_of_publication() -> None:
    made = row(NEW)
    assert (made["published_at"], made["detected_at"], made["tickers"]) == (None, 1_795_190_400_200, ["DDD"])


def test_text_frames_are_read_as_binary_ones_are() -> None:
    assert heard(json.dumps(NEW)) == heard(NEW)


@pytest.mark.parametrize("kind", [*TYPES, "a_type_of_next_year"])
def test_every_type_of_announcement_passes(kind) -> None:
    assert row(NEW | {"listingType": kind})["type"] == kind


@pytest.mark.parametrize(
    ("change", "title", "tickers"),
    [
        ({"title": "[REDACTED]", "ticker": "[REDACTED]"}, "[REDACTED]", ["[REDACTED]"]),
        ({"title": None, "ticker": None}, "", []),
        ({"title": "", "ticker": ""}, "", []),
        ({"title": "<b>Up</b>\x00\n\u202e", "ticker": "<i>"}, "<b>Up</b>", ["<I>"]),
        ({"ticker": ["AAA"]}, NEW["title"], []),
        ({"title": "x" * 10_000, "ticker": "T" * 10_000}, "x" * 300, ["T" * 40]),
    ],
)
def test_titles_and_tickers_come_as_plain_text_or_not_at_all(change, title, tickers) -> None:
    made = row(NEW | change)
    assert (made["title"], made["tickers"]) == (title, tickers)


@pytest.mark.parametrize("value", [None, "1795190400200999", -1, 0, 10**30, 1.5, True, [], 1_795_190_400])
def test_a_time_that_cannot_be_believed_is_none(value) -> None:
    assert row(OLD | {"publishTimestampUs": value})["published_at"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"publisher": None},
        {"publisher": ""},
        {"publisher": "<script>"},
        {"publisher": "x" * 60},
        {"listingType": 5},
        {"listingType": "two words"},
    ],
)
def test_an_announcement_of_nobody_or_of_nothing_is_dropped(change) -> None:
    [event] = heard(NEW | change)
    assert isinstance(event, Dropped)


def test_repetitions_have_one_id_and_different_announcements_have_two() -> None:
    same = row(OLD | {"dispatchTimestampUs": 1, "ticker": "CCC,BBB,AAA"})
    assert same["id"] == row(OLD)["id"]
    others = [
        {"title": "Another"},
        {"ticker": "AAA"},
        {"publisher": "upbit"},
        {"listingType": "futures_listing"},
        {"publishTimestampUs": OLD["publishTimestampUs"] + 86_400_000_000},
    ]
    assert len({row(OLD | change)["id"] for change in [{}, *others]}) == 1 + len(others)


@pytest.mark.parametrize(
    "welcome",
    [
        {"type": "welcome", "tier": "premium", "maxConnections": 5, "allowedCex": "*", "expiresInSecs": 2_592_000},
        {
            "type": "welcome",
            "tier": "FreeDelayed",
            "maxDistinctIps": 1,
            "maxConnectionsPerIp": 3,
            "absoluteMaxConnections": 20,
            "allowedCex": ["binance", "upbit"],
            "expiresInSecs": None,
        },
    ],
)
def test_both_welcomes_are_a_sign_of_life(welcome) -> None:
    assert heard(welcome) == [Alive()]
    assert PROVIDER.proven(welcome).startswith("the key works (tier ")


def test_what_a_welcome_says_of_the_key_is_put_into_words() -> None:
    said = {"type": "welcome", "tier": "premium", "allowedCex": "*", "expiresInSecs": 2_592_000}
    assert PROVIDER.proven(said) == "the key works (tier premium; all exchanges; 30 more days)"
    said = {"type": "welcome", "allowedCex": ["binance", "upbit"], "expiresInSecs": 60}
    assert PROVIDER.proven(said) == "the key works (binance, upbit; expires soon)"
    assert PROVIDER.proven([]) == "the key works (connected)"


def test_a_heartbeat_carries_the_providers_time() -> None:
    assert heard({"type": "heartbeat", "timestampNs": 1_795_190_400_123_456_789}) == [Alive(1_795_190_400_123)]
    assert heard({"type": "heartbeat", "timestampNs": "soon"}) == [Alive(None)]


def test_somebodys_test_is_no_news() -> None:
    assert heard(NEW | {"type": "test_announcement", "ticker": "DUMMYTOKEN"}) == [Alive()]


def test_an_error_refuses_a_request_and_not_the_connection() -> None:
    [event] = heard({"type": "error", "code": "test_rate_limited", "retryAfterSecs": 42})
    assert isinstance(event, Rejected)
    assert not event.fatal
    assert isinstance(event.error, RateLimited)
    assert event.error.retry_after == 42
    assert "test_rate_limited" in str(event.error)


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xff\xfe", b"{", "null", "[]", "5", '"x"', "{}", '{"type": 5}', '{"type": "news"}', b"NaN", "[" * 5000],
)
def test_what_cannot_be_read_is_dropped(garbage) -> None:
    [event] = heard(garbage)
    assert isinstance(event, Dropped)


def test_nothing_is_ever_sent() -> None:
    session = STREAM.session("dsk_secret")
    said = [*session.opened(), *session.subscribe([Channel()]), *session.pending(), *session.beat(NOW)]
    session.receive(json.dumps(NEW), NOW)
    assert [*said, *session.pending(), *session.beat(NOW + 60_000)] == []


@pytest.mark.skipif("SPOT_SAMPLES" not in os.environ, reason="SPOT_SAMPLES is not set")
def test_the_providers_own_examples_are_understood() -> None:
    samples = json.loads(Path(os.environ["SPOT_SAMPLES"], "cryptolisting_ws_samples.json").read_text())
    events = {name: heard(said)[0] for name, said in samples.items() if name != "source"}
    assert not [name for name, event in events.items() if isinstance(event, Dropped)]
    assert {name for name, event in events.items() if isinstance(event, Announced)} == {
        "announcement_v1",
        "announcement_v2",
    }


# --- refusals and closes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "permanent", "retry_after"),
    [
        (401, {"error": "missing_api_key"}, Unauthorized, True, None),
        (403, {"error": "invalid_api_key"}, Unauthorized, True, None),
        (400, {}, BadPayload, False, 300),
        (426, {}, BadPayload, False, 300),
        (429, {"error": "connection_rate_limit_exceeded"}, RateLimited, False, 60),
        (429, {"error": "max_distinct_ips_reached"}, RateLimited, False, 60),
        (429, {"error": "connection_cooldown"}, RateLimited, False, 5),
        (429, {"error": "connection_cooldown", "retry_after_s": 3}, RateLimited, False, 3),
        (429, {"error": "connection_cooldown", "retry_after_s": -3}, RateLimited, False, 5),
        (429, {"error": ["?"], "retry_after_s": "soon"}, RateLimited, False, 60),
        (429, ["not an object"], RateLimited, False, 60),
        (503, {}, Unavailable, False, None),
    ],
)
def test_a_refused_handshake_says_whether_and_when_to_come_again(status, body, kind, permanent, retry_after) -> None:
    error = STREAM.refused(status, json.dumps(body).encode())
    assert type(error) is kind
    assert (error.permanent, error.retry_after) == (permanent, retry_after)


def test_a_refusal_with_a_page_for_a_body_is_understood() -> None:
    assert isinstance(STREAM.refused(403, b"<html>no</html>"), Unauthorized)
    assert isinstance(STREAM.refused(429, b"\xff\x00"), RateLimited)


@pytest.mark.parametrize("reason", ["key_expired", "key_revoked", "key_invalidated"])
def test_a_key_that_is_no_longer_good_is_not_tried_again(reason) -> None:
    error = STREAM.closed(1000, reason)
    assert isinstance(error, Unauthorized)
    assert error.permanent


@pytest.mark.parametrize(
    ("code", "reason", "retry_after"),
    [(1008, "too_slow", 0), (1008, "rate_limit_exceeded", 60), (1009, "frame_too_large", 300), (1011, "", None)],
)
def test_other_closes_say_when_to_come_again(code, reason, retry_after) -> None:
    error = STREAM.closed(code, reason)
    assert (error.permanent, error.retry_after) == (False, retry_after)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, ""), (1000, "bye")])
def test_an_ordinary_close_is_no_failure(code, reason) -> None:
    assert STREAM.closed(code, reason) is None


def test_silence_is_judged_by_heartbeats_and_not_by_news() -> None:
    assert STREAM.silence_seconds >= 60
    assert STREAM.stale_seconds is None
    assert (STREAM.first_pause, STREAM.longest_pause) == (1, 300)


def test_the_key_goes_into_the_header() -> None:
    assert STREAM.headers("dsk_secret") == {"X-API-Key": "dsk_secret"}
    assert [plan.stream_url for plan in PROVIDER.plans] == ["wss://cryptolisting.ws", "wss://kr.cryptolisting.ws"]


# --- the stand-in -----------------------------------------------------------------------------------------------------


def dial(standin: Cryptolisting, key: str = "dsk_good", query: str = "") -> ClientConnection:
    """A client's connection."""
    headers = STREAM.headers(key) if key else {}
    return connect(standin.stream_url + query, additional_headers=headers, proxy=None)


def told(socket: ClientConnection) -> dict:
    """The next message; each must be a binary frame."""
    frame = socket.recv(timeout=5)
    assert isinstance(frame, bytes)
    return json.loads(frame)


def refusal(standin: Cryptolisting, **how: str) -> Exception:
    """What the adapter makes of the handshake's refusal."""
    with pytest.raises(InvalidStatus) as caught:
        dial(standin, **how)
    return STREAM.refused(caught.value.response.status_code, caught.value.response.body)


@pytest.mark.parametrize("generation", [1, 2])
def test_the_standin_welcomes_beats_and_announces(generation) -> None:
    with Cryptolisting(key="dsk_good", generation=generation, every=0, pulse_seconds=0) as standin:
        with dial(standin) as socket:
            welcome = told(socket)
            assert ("maxConnections" in welcome) == (generation == 1)
            standin.pulse_now()
            assert told(socket).keys() == {"type", "timestampNs", "timeUtc"}
            sent = standin.announce("Binance Will List AAA", ticker="AAA")
            said = told(socket)
        assert said == sent
        assert ("publishTimestampUs" in said) == (generation == 1)
        assert row(said)["tickers"] == ["AAA"]


def test_the_standin_heeds_the_filter_but_beats_all_the_same() -> None:
    with Cryptolisting(every=0, pulse_seconds=0) as standin, dial(standin, query="?cex=Upbit,bithumb") as socket:
        told(socket)
        standin.announce("Not for you", exchange="binance")
        standin.announce("For you", exchange="upbit")
        standin.pulse_now()
        assert [told(socket).get("title"), told(socket)["type"]] == ["For you", "heartbeat"]


def test_the_standin_refuses_who_has_no_key_or_a_wrong_one() -> None:
    with Cryptolisting(key="dsk_good", pulse_seconds=0) as standin:
        assert "no key" in str(refusal(standin, key=""))
        assert "wrong" in str(refusal(standin, key="dsk_wrong"))
        assert requests.get(standin.stream_url.replace("ws:", "http:"), timeout=5).status_code == 426


def test_the_standin_refuses_too_many_connections() -> None:
    with Cryptolisting(pulse_seconds=0) as standin:
        standin.connections_a_minute = 1
        with dial(standin):
            error = refusal(standin)
        assert (type(error), error.retry_after) == (RateLimited, 60)
        standin.cooling = True
        error = refusal(standin)
        assert (type(error), error.retry_after) == (RateLimited, 5)


@pytest.mark.parametrize(
    ("generation", "end", "permanent"),
    [
        (1, Cryptolisting.expire, True),
        (1, Cryptolisting.revoke, True),
        (2, Cryptolisting.revoke, True),
        (2, Cryptolisting.fall_behind, False),
    ],
)
def test_the_standin_ends_connections_in_its_ways(generation, end, permanent) -> None:
    with Cryptolisting(generation=generation, pulse_seconds=0) as standin, dial(standin) as socket:
        told(socket)
        end(standin)
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=5)
        assert STREAM.closed(caught.value.rcvd.code, caught.value.rcvd.reason).permanent is permanent


@pytest.mark.parametrize(("generation", "bears"), [(1, 30), (2, 3)])
def test_the_standin_closes_on_who_sends_too_much(generation, bears) -> None:
    with Cryptolisting(generation=generation, pulse_seconds=0) as standin, dial(standin) as socket:
        told(socket)
        for _ in range(bears + 1):
            socket.send("hello")
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=5)
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "rate_limit_exceeded")
        assert len(standin.peers) <= 1


def test_the_standin_closes_on_a_large_message() -> None:
    with Cryptolisting(pulse_seconds=0) as standin, dial(standin) as socket:
        told(socket)
        socket.send("x" * 1025)
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=5)
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1009, "frame_too_large")


def test_the_standin_answers_a_test_once_a_minute() -> None:
    with Cryptolisting(pulse_seconds=0) as standin, dial(standin) as socket:
        told(socket)
        socket.send(b'{"type":"test"}')
        assert told(socket)["ticker"] == "DUMMYTOKEN"
        socket.send(b'{"type":"test"}')
        error = told(socket)
        assert error["code"] == "test_rate_limited"
        assert 0 < error["retryAfterSecs"] <= 60


def test_the_standin_redacts_what_a_trial_may_not_see() -> None:
    with Cryptolisting(tier="SpeedTrial", pulse_seconds=0) as standin, dial(standin) as socket:
        assert told(socket)["tier"] == "SpeedTrial"
        standin.announce("Binance Will List AAA", ticker="AAA")
        assert row(told(socket))["title"] == "[REDACTED]"


def test_the_standin_can_be_made_to_announce_by_hand_and_by_its_rhythm() -> None:
    with Cryptolisting(every=1, pulse_seconds=0) as standin, dial(standin) as socket:
        told(socket)
        address = standin.stream_url.replace("ws:", "http:") + "announce"
        requests.get(address, {"title": "By hand", "exchange": "upbit"}, timeout=5).raise_for_status()
        assert row(told(socket))["title"] == "By hand"
        standin.pulse_now()
        assert told(socket)["type"] == "heartbeat"
        assert row(told(socket))["exchange"] in ("binance", "upbit", "bithumb")


def test_the_standin_can_repeat_and_spoil_what_it_says() -> None:
    with Cryptolisting(pulse_seconds=0) as standin, dial(standin) as socket:
        told(socket)
        standin.spoil = lambda message: [message, message, '{"type":']
        standin.announce("Twice")
        first, second = told(socket), told(socket)
        assert row(first)["id"] == row(second)["id"]
        assert isinstance(heard(socket.recv(timeout=5))[0], Dropped)
