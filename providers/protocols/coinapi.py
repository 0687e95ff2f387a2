"""CoinAPI's stream, version 1: https://docs.coinapi.io/market-data/websocket.

What is wanted is said in a `hello`; another `hello` puts a new scope in the old one's place without a new connection.
Exchange rates come as `exrate`, one pair a message, at most one a second for each pair by our own wish; a rate is the
volume-weighted average of 24 hours. Asked for heartbeats, the server sends one after a second without data, and spells
its type `hearbeat`. An `error` is for good: the server closes after it. All names are symbol-like asset ids.

Documented and not used: trades, quotes, books. `sequence` counts within a connection; exchange rates were seen without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from providers.clean import Cleaner, moment, text
from providers.datasets import is_coin_id, is_currency
from providers.errors import NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from providers.stream import Alive, Dropped, Event, Leaving, Refused, Stream, Tick, Topic

KEY_HEADER = "X-CoinAPI-Key"
#: A rate is computed once a second; every message costs.
UPDATE_MS = 1_000
#: The longest notice of a reconnect that is believed, in seconds.
_LONGEST_NOTICE = 600.0
#: What its free texts speak of, and what that means; the first that fits. Its errors have no codes.
_MEANINGS: tuple[tuple[tuple[str, ...], type[ProviderError]], ...] = (
    (("have at this moment", "no data"), NotFound),
    (("privilege", "not available in your", "upgrade"), NotFound),
    (("quota", "rate limit", "exceed", "credit", "too many", "concurren"), RateLimited),
    (("api key", "apikey", "unauthori", "authenticat"), Unauthorized),
)

_Pair = tuple[str, str]


# --- errors, of both interfaces -------------------------------------------------------------------------------------
def meaning(sentence: str) -> type[ProviderError] | None:
    """The kind of error that a sentence of its speaks of, if that can be told."""
    lower = sentence.lower()
    return next((kind for words, kind in _MEANINGS if any(word in lower for word in words)), None)


def sentence_of(body: Any) -> str:
    """The sentence in an error body: `{"error": "…"}`, of late also `{"title": "…", "detail": "…"}`."""
    known = body if isinstance(body, dict) else {}
    return next((made for name in ("error", "detail", "message", "title") if (made := text(known.get(name)))), "")


def refused(status: int, body: bytes) -> ProviderError:
    """What an HTTP answer to the handshake means."""
    try:
        sentence = sentence_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        sentence = ""
    message = f"{status}: {sentence}" if sentence else f"the handshake was answered with {status}"
    if status == 401:
        return Unauthorized(message)
    if status in (403, 429):
        return (meaning(sentence) or RateLimited)(message)
    return (Unavailable if status >= 500 else NotFound)(message)


def closed(code: int, reason: str) -> ProviderError | None:
    """What a close means. Codes are not documented, so its words decide; the `error` before it says more."""
    kind = meaning(reason)
    if kind is None and code == 1008:
        kind = RateLimited
    return kind(f"closed with {code}: {text(reason) or 'no reason given'}") if kind else None


# --- a connection ---------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Last:
    """The newest that is known of a pair. `at` is 0 where its time is not believed."""

    at: int
    sequence: int
    rate: float | int


class Session:
    """One connection: `providers.stream.Session`."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self._wanted: dict[_Pair, Topic] = {}
        self._last: dict[_Pair, _Last] = {}

    def opened(self) -> list[str]:
        """Nothing: a hello without a scope would be one for everything, so it is said when there is one."""
        return []

    def follow(self, topics: Sequence[Topic]) -> list[str]:
        """A hello for the pairs, in the place of the last one; their end when there are none any more."""
        wanted = {pair: topic for topic in topics if (pair := _pair(topic))}
        if wanted.keys() == self._wanted.keys():
            return []
        former, self._wanted = self._wanted, wanted
        self._last = {pair: last for pair, last in self._last.items() if pair in wanted}
        if not wanted:
            return [self._said("unsubscribe", former)]
        return [self._said("hello", wanted, heartbeat=True, subscribe_update_limit_ms_exrate=UPDATE_MS)]

    def pending(self) -> list[str]:
        """Nothing is said in answer to a message."""
        return []

    def beat(self, _now_ms: int) -> list[str]:
        """Nothing: heartbeats come from the server, and its pings are answered below."""
        return []

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        """What a message means."""
        try:
            said = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        if not isinstance(said, dict):
            return [Dropped("a message is no object")]
        return [self._event(said, now_ms)]

    def _event(self, said: dict[str, Any], now_ms: int) -> Event:
        match said.get("type"):
            case "exrate":
                return self._rate(said, now_ms)
            case "heartbeat" | "hearbeat":
                return Alive()
            case "reconnect":
                return Leaving(min(float(Cleaner().number(said.get("within_seconds")) or 0), _LONGEST_NOTICE))
            case "error":
                return self._complaint(said)
            case other:
                return Dropped(f"a message of the unknown type {text(other)[:40]!r}")

    def _said(self, kind: str, pairs: Mapping[_Pair, Topic], **more: Any) -> str:
        said = {
            "type": kind,
            "apikey": self._key,
            "subscribe_data_type": ["exrate"],
            "subscribe_filter_asset_id": [f"{base}/{quote}" for base, quote in pairs],
            **more,
        }
        return orjson.dumps(said).decode()

    def _complaint(self, said: dict[str, Any]) -> Refused:
        sentence = text(said.get("message")) or "refused without a word"
        sentence = sentence.replace(self._key, "***") if self._key else sentence
        return Refused((meaning(sentence) or Unavailable)(sentence))

    def _rate(self, said: dict[str, Any], now_ms: int) -> Event:
        """`{"type": "exrate", "time": "2026-05-03T12:00:01.1234567Z", "asset_id_base": "BTC", "asset_id_quote": "USD",
        "rate": 67012.25}`"""
        base, quote, cleaner = said.get("asset_id_base"), said.get("asset_id_quote"), Cleaner()
        rate, stamp = cleaner.number(said.get("rate")), cleaner.millis(said.get("time"))
        if not (isinstance(base, str) and isinstance(quote, str)) or not rate or stamp is None:
            return Dropped("a rate without pair, time or rate")
        topic = self._wanted.get((base, quote))
        if topic is None:
            return Alive()  # sent before it knew that nobody wants it any more
        at, sequence = moment(stamp, now_ms), said.get("sequence")
        now = _Last(at or 0, sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else 0, rate)
        if last := self._last.get((base, quote)):
            if now == last and (now.at or now.sequence):
                return Alive()
            if _older(now, last):
                return Dropped("a rate older than the one before")
        self._last[base, quote] = now
        return Tick(topic.coin, topic.currency, {"price": rate}, at, max(0, now.sequence))


def _pair(topic: Topic) -> _Pair | None:
    if topic.onchain or not is_coin_id(topic.coin) or not is_currency(topic.currency):
        return None
    return topic.coin, topic.currency.upper()


def _older(now: _Last, last: _Last) -> bool:
    if now.sequence and last.sequence:
        return now.sequence <= last.sequence
    return 0 < now.at < last.at


STREAM = Stream(
    session=Session,
    headers=lambda key: {KEY_HEADER: key},
    refused=refused,
    closed=closed,
    # Heartbeats come after a second without data; the maker's own client gives up after ten.
    silence_seconds=10.0,
    stale_seconds=60.0,
    brings=frozenset({"ticks"}),
)
