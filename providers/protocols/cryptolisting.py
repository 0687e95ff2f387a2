"""The protocol of cryptolisting.ws: what its messages, its refusals and its closes mean. Pure.

Frames are binary, the payload UTF-8 JSON; text is read as well. Two generations are in use and both are understood: the
newer one leaves `publishTimestampUs` out, words its welcome otherwise, and says `key_invalidated` for `key_revoked`.
We never send anything: there is nothing to ask, and three messages a minute are the most it bears.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from providers import listings
from providers.clean import text
from providers.errors import BadPayload, ProviderError, RateLimited, Unauthorized, Unavailable
from providers.stream import Alive, Announced, Dropped, Event, Refused, Topic

#: Why a handshake is answered with 429: in words, and when to come again if it does not say, in seconds.
_LIMITS: dict[str, tuple[str, float]] = {
    "connection_rate_limit_exceeded": ("more new connections a minute than it allows from one address", 60),
    "per_ip_concurrent_limit_reached": ("too many connections from this address", 60),
    "per_ip_connection_limit_reached": ("too many connections with this key from this address", 60),
    "max_distinct_ips_reached": ("the key is in use at more addresses than its plan allows", 60),
    "absolute_connection_cap_reached": ("the key has all the connections it may have", 60),
    "connection_cooldown": ("connected again too soon", 5),
}
_KEYS = {
    "key_expired": "the key has expired",
    "key_revoked": "the key has been revoked",
    "key_invalidated": "the key is no longer valid",
}


class Session:
    """One connection. It says nothing of its own accord; WebSocket pings are answered below it."""

    def opened(self) -> list[str]:
        """Nothing: the key went with the handshake."""
        return []

    def follow(self, _topics: Sequence[Topic]) -> list[str]:
        """Nothing: the connection carries every announcement that the key may see."""
        return []

    def pending(self) -> list[str]:
        """Nothing."""
        return []

    def beat(self, _now_ms: int) -> list[str]:
        """Nothing."""
        return []

    def receive(self, message: str | bytes, _now_ms: int) -> list[Event]:
        """What a message means."""
        try:
            said = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("no JSON")]
        kind = said.get("type") if isinstance(said, dict) else None
        match kind:
            case "announcement":
                return [_announced(said)]
            case "heartbeat":
                return [Alive(listings.moment(_scaled(said.get("timestampNs"), 1_000_000)))]
            case "welcome" | "test_announcement":
                return [Alive()]  # a test is somebody's rehearsal, and no news
            case "error":
                return [Refused(_complaint(said), fatal=False)]
        return [Dropped(f"a message of the unknown type {text(kind)[:40]!r}")]


def _announced(said: dict[str, Any]) -> Event:
    tickers = said.get("ticker")
    made = listings.row(
        said.get("publisher"),
        said.get("listingType"),
        said.get("title"),
        tickers.split(",") if isinstance(tickers, str) else [],
        _scaled(said.get("publishTimestampUs"), 1000),
        _scaled(said.get("detectedTimestampUs"), 1000),
    )
    return Announced(made) if made else Dropped("an announcement without exchange or type")


def _scaled(value: object, unit: int) -> int | None:
    return value // unit if isinstance(value, int) and not isinstance(value, bool) else None


def _complaint(said: dict[str, Any]) -> ProviderError:
    code, wait = text(said.get("code"))[:60], _seconds(said.get("retryAfterSecs"))
    kind = RateLimited if wait is not None or "rate_limit" in code else Unavailable
    return kind(f"It complained: {code or 'without saying of what'}.", retry_after=wait)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 86_400:
        return None
    return float(value)


def refused(status: int, body: bytes) -> ProviderError:
    """What an HTTP answer to the handshake means."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    match status:
        case 401:
            return Unauthorized("It was given no key.")
        case 403:
            return Unauthorized("The key is wrong, revoked or expired.")
        case 429:
            why, usual = _LIMITS.get(text(said.get("error")), ("a limit of the key or of this address", 60.0))
            wait = _seconds(said.get("retry_after_s"))
            return RateLimited(f"It turned us away: {why}.", retry_after=usual if wait is None else wait)
        case 400 | 426:
            sentence = "It did not take the handshake for one; something between may have changed it."
            return BadPayload(sentence, retry_after=300)
    return Unavailable(f"It answered the handshake with HTTP {status}.")


def closed(code: int, reason: str) -> ProviderError | None:
    """What a close means; None: nothing is wrong."""
    if reason in _KEYS:
        return Unauthorized(f"It closed the connection: {_KEYS[reason]}.")
    match reason:
        case "too_slow":
            return Unavailable("It closed the connection: we read too slowly.", retry_after=0)
        case "rate_limit_exceeded":
            return RateLimited("It closed the connection: it was sent too many messages.", retry_after=60)
        case "frame_too_large":
            return BadPayload("It closed the connection: it was sent too large a message.", retry_after=300)
    if code in (1000, 1001):
        return None
    return Unavailable(f"The connection ended with code {code}.")


def proven(welcome: Any) -> str:
    """What a welcome says of the key: a phrase for the operator."""
    said = welcome if isinstance(welcome, dict) else {}
    tier, exchanges, left = text(said.get("tier"))[:40], said.get("allowedCex"), said.get("expiresInSecs")
    named = ", ".join(map(text, exchanges)) if isinstance(exchanges, list) else text(exchanges)
    days = left // 86_400 if isinstance(left, int) and not isinstance(left, bool) and 0 < left < 10**10 else None
    parts = [
        f"tier {tier}" if tier else "",
        "all exchanges" if named == "*" else named,
        "" if days is None else f"{days} more days" if days > 1 else "expires soon",
    ]
    return f"the key works ({'; '.join(filter(None, parts)) or 'it was welcomed'})"
