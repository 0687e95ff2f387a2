"""CoinAPI's stream, version 1: https://docs.coinapi.io/market-data/websocket.

A `hello` subscribes; another `hello` replaces its scope on the same connection. Exchange rates arrive as `exrate`, one
pair a message, at most one a second for each pair because we ask for that; a rate is the volume-weighted average of 24
hours. With heartbeats enabled, the server sends one after a second without data, with the type misspelt `hearbeat`. An
`error` is fatal: the server closes after it. All names are symbol-like asset ids.

Documented and not used: trades, quotes, books. `sequence` counts within a connection; no exchange rate had one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from providers.clean import Cleaner, moment, text
from providers.datasets import is_coin_id, is_currency
from providers.errors import NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from providers.stream import Alive, Channel, Dropped, Event, GoingAway, Rejected, Stream, Tick

KEY_HEADER = "X-CoinAPI-Key"
#: The provider computes a rate once a second; every message costs.
UPDATE_MS = 1_000
#: Upper bound for the notice before a reconnect, in seconds.
_LONGEST_NOTICE = 600.0
#: Phrases of its error texts, and the error they stand for; the first match wins. Its errors have no codes.
_MEANINGS: tuple[tuple[tuple[str, ...], type[ProviderError]], ...] = (
    (("have at this moment", "no data"), NotFound),
    (("privilege", "not available in your", "upgrade"), NotFound),
    (("quota", "rate limit", "exceed", "credit", "too many", "concurren"), RateLimited),
    (("api key", "apikey", "unauthori", "authenticat"), Unauthorized),
)

_Pair = tuple[str, str]


# --- errors, of both interfaces -------------------------------------------------------------------------------------
def meaning(sentence: str) -> type[ProviderError] | None:
    """The error that a text of the provider stands for; None when it matches no phrase."""
    lower = sentence.lower()
    return next((kind for words, kind in _MEANINGS if any(word in lower for word in words)), None)


def sentence_of(body: Any) -> str:
    """The text in an error body: `{"error": "…"}`, recently also `{"title": "…", "detail": "…"}`."""
    fields = body if isinstance(body, dict) else {}
    texts = (text(fields.get(name)) for name in ("error", "detail", "message", "title"))
    return next(filter(None, texts), "")


def refused(status: int, body: bytes) -> ProviderError:
    """Translate an HTTP response to the handshake."""
    try:
        sentence = sentence_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        sentence = ""
    message = f"{status}: {sentence}" if sentence else f"the handshake failed with status {status}"
    if status == 401:
        return Unauthorized(message)
    if status in (403, 429):
        return (meaning(sentence) or RateLimited)(message)
    return (Unavailable if status >= 500 else NotFound)(message)


def closed(code: int, reason: str) -> ProviderError | None:
    """Translate a close by its reason, since codes are not documented; the `error` before it is more precise."""
    kind = meaning(reason)
    if kind is None and code == 1008:
        kind = RateLimited
    return kind(f"closed with {code}: {text(reason) or 'no reason given'}") if kind else None


# --- a connection ---------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Rate:
    """The newest rate of a pair. `at` is 0 where its time is implausible."""

    at: int
    sequence: int
    rate: float | int


class Session:
    """One connection: `providers.stream.Session`."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self._wanted: dict[_Pair, Channel] = {}
        self._last: dict[_Pair, _Rate] = {}

    def opened(self) -> list[str]:
        """Nothing: a hello without a scope would subscribe to everything."""
        return []

    def subscribe(self, channels: Sequence[Channel]) -> list[str]:
        """A hello with the pairs, which replaces the last one; an unsubscribe when there are none."""
        wanted = {pair: channel for channel in channels if (pair := _pair(channel))}
        if wanted.keys() == self._wanted.keys():
            return []
        former, self._wanted = self._wanted, wanted
        self._last = {pair: last for pair, last in self._last.items() if pair in wanted}
        if not wanted:
            return [self._request("unsubscribe", former)]
        return [self._request("hello", wanted, heartbeat=True, subscribe_update_limit_ms_exrate=UPDATE_MS)]

    def pending(self) -> list[str]:
        """Nothing: no message needs an answer."""
        return []

    def beat(self, _now_ms: int) -> list[str]:
        """Nothing: the server sends the heartbeats, and the library answers its pings."""
        return []

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        """Decode a message."""
        try:
            payload = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        if not isinstance(payload, dict):
            return [Dropped("a message is not an object")]
        return [self._event(payload, now_ms)]

    def _event(self, payload: dict[str, Any], now_ms: int) -> Event:
        match payload.get("type"):
            case "exrate":
                return self._rate(payload, now_ms)
            case "heartbeat" | "hearbeat":
                return Alive()
            case "reconnect":
                return GoingAway(min(float(Cleaner().number(payload.get("within_seconds")) or 0), _LONGEST_NOTICE))
            case "error":
                sentence = text(payload.get("message")) or "rejected without a reason"
                sentence = sentence.replace(self._key, "***") if self._key else sentence
                return Rejected((meaning(sentence) or Unavailable)(sentence))
            case other:
                return Dropped(f"a message of unknown type {text(other)[:40]!r}")

    def _request(self, kind: str, pairs: Mapping[_Pair, Channel], **more: Any) -> str:
        request = {
            "type": kind,
            "apikey": self._key,
            "subscribe_data_type": ["exrate"],
            "subscribe_filter_asset_id": [f"{base}/{quote}" for base, quote in pairs],
            **more,
        }
        return orjson.dumps(request).decode()

    def _rate(self, payload: dict[str, Any], now_ms: int) -> Event:
        """`{"type": "exrate", "time": "2026-05-03T12:00:01.1234567Z", "asset_id_base": "BTC", "asset_id_quote": "USD",
        "rate": 67012.25}`"""
        base, quote, cleaner = payload.get("asset_id_base"), payload.get("asset_id_quote"), Cleaner()
        rate, stamp = cleaner.number(payload.get("rate")), cleaner.millis(payload.get("time"))
        if not (isinstance(base, str) and isinstance(quote, str)) or not rate or stamp is None:
            return Dropped("a rate without pair, time or value")
        channel = self._wanted.get((base, quote))
        if channel is None:
            return Alive()  # sent before the server processed the unsubscribe
        at, sequence = moment(stamp, now_ms), payload.get("sequence")
        now = _Rate(at or 0, sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else 0, rate)
        if last := self._last.get((base, quote)):
            if now == last and (now.at or now.sequence):
                return Alive()
            if _older(now, last):
                return Dropped("a rate older than the one before")
        self._last[base, quote] = now
        return Tick(channel.coin, channel.currency, {"price": rate}, at, max(0, now.sequence))


def _pair(channel: Channel) -> _Pair | None:
    if channel.onchain or not is_coin_id(channel.coin) or not is_currency(channel.currency):
        return None
    return channel.coin, channel.currency.upper()


def _older(now: _Rate, last: _Rate) -> bool:
    if now.sequence and last.sequence:
        return now.sequence <= last.sequence
    return 0 < now.at < last.at


STREAM = Stream(
    session=Session,
    headers=lambda key: {KEY_HEADER: key},
    refused=refused,
    closed=closed,
    # Heartbeats follow a second without data; the provider's own client times out after ten.
    silence_seconds=10.0,
    stale_seconds=60.0,
    brings=frozenset({"ticks"}),
)
