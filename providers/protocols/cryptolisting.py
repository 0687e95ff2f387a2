"""The protocol of cryptolisting.ws: its messages, errors and closes. Pure.

Frames are binary with UTF-8 JSON; text frames are accepted as well. Two versions are in use and both are supported: the
newer one has no `publishTimestampUs`, another welcome, and `key_invalidated` in place of `key_revoked`. We send
nothing: there is nothing to subscribe to, and the server allows three messages a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from providers import listings
from providers.clean import text
from providers.errors import BadPayload, ProviderError, RateLimited, Unauthorized, Unavailable
from providers.stream import Alive, Announced, Channel, Dropped, Event, Rejected

#: Errors of a handshake with status 429: their text, and the seconds until the next attempt where it names none.
_LIMITS: dict[str, tuple[str, float]] = {
    "connection_rate_limit_exceeded": ("too many new connections a minute from this address", 60),
    "per_ip_concurrent_limit_reached": ("too many connections from this address", 60),
    "per_ip_connection_limit_reached": ("too many connections with this key from this address", 60),
    "max_distinct_ips_reached": ("the key is in use at more addresses than its plan allows", 60),
    "absolute_connection_cap_reached": ("the key has no more connections left", 60),
    "connection_cooldown": ("reconnected too soon", 5),
}
_KEYS = {
    "key_expired": "the key has expired",
    "key_revoked": "the key has been revoked",
    "key_invalidated": "the key is no longer valid",
}


class Session:
    """One connection. It sends nothing; the library answers WebSocket pings."""

    def opened(self) -> list[str]:
        """Nothing: the handshake carried the key."""
        return []

    def subscribe(self, _channels: Sequence[Channel]) -> list[str]:
        """Nothing: the connection carries every announcement that the key allows."""
        return []

    def pending(self) -> list[str]:
        """Nothing."""
        return []

    def beat(self, _now_ms: int) -> list[str]:
        """Nothing."""
        return []

    def receive(self, message: str | bytes, _now_ms: int) -> list[Event]:
        """Decode a message."""
        try:
            payload = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        kind = payload.get("type") if isinstance(payload, dict) else None
        match kind:
            case "announcement":
                return [_announced(payload)]
            case "heartbeat":
                return [Alive(listings.moment(_scaled(payload.get("timestampNs"), 1_000_000)))]
            case "welcome" | "test_announcement":
                return [Alive()]  # a test announcement is not news
            case "error":
                return [Rejected(_error(payload), fatal=False)]
        return [Dropped(f"a message of unknown type {text(kind)[:40]!r}")]


def _announced(payload: dict[str, Any]) -> Event:
    tickers = payload.get("ticker")
    row = listings.row(
        payload.get("publisher"),
        payload.get("listingType"),
        payload.get("title"),
        tickers.split(",") if isinstance(tickers, str) else [],
        _scaled(payload.get("publishTimestampUs"), 1000),
        _scaled(payload.get("detectedTimestampUs"), 1000),
    )
    return Announced(row) if row else Dropped("an announcement without exchange or type")


def _scaled(value: object, unit: int) -> int | None:
    return value // unit if isinstance(value, int) and not isinstance(value, bool) else None


def _error(payload: dict[str, Any]) -> ProviderError:
    code, wait = text(payload.get("code"))[:60], _seconds(payload.get("retryAfterSecs"))
    kind = RateLimited if wait is not None or "rate_limit" in code else Unavailable
    return kind(f"The provider reported an error: {code or 'no code'}.", retry_after=wait)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 86_400:
        return None
    return float(value)


def refused(status: int, body: bytes) -> ProviderError:
    """Translate an HTTP response to the handshake."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        fields = {}
    fields = fields if isinstance(fields, dict) else {}
    match status:
        case 401:
            return Unauthorized("The handshake had no key.")
        case 403:
            return Unauthorized("The key is wrong, revoked or expired.")
        case 429:
            limit, usual = _LIMITS.get(text(fields.get("error")), ("a limit of the key or of this address", 60.0))
            wait = _seconds(fields.get("retry_after_s"))
            return RateLimited(f"Connection refused: {limit}.", retry_after=usual if wait is None else wait)
        case 400 | 426:
            sentence = "The provider did not recognise the handshake; a proxy on the way may have changed it."
            return BadPayload(sentence, retry_after=300)
    return Unavailable(f"The handshake failed with HTTP status {status}.")


def closed(code: int, reason: str) -> ProviderError | None:
    """Translate a close; None: no error."""
    if reason in _KEYS:
        return Unauthorized(f"The provider closed the connection: {_KEYS[reason]}.")
    match reason:
        case "too_slow":
            return Unavailable("The provider closed the connection: we read too slowly.", retry_after=0)
        case "rate_limit_exceeded":
            return RateLimited("The provider closed the connection: we sent too many messages.", retry_after=60)
        case "frame_too_large":
            return BadPayload("The provider closed the connection: we sent too large a message.", retry_after=300)
    if code in (1000, 1001):
        return None
    return Unavailable(f"The connection was closed with code {code}.")


def proven(welcome: Any) -> str:
    """The statements of a welcome about the key, for the operator."""
    fields = welcome if isinstance(welcome, dict) else {}
    tier, exchanges, left = text(fields.get("tier"))[:40], fields.get("allowedCex"), fields.get("expiresInSecs")
    names = ", ".join(map(text, exchanges)) if isinstance(exchanges, list) else text(exchanges)
    days = left // 86_400 if isinstance(left, int) and not isinstance(left, bool) and 0 < left < 10**10 else None
    parts = [
        f"tier {tier}" if tier else "",
        "all exchanges" if names == "*" else names,
        "" if days is None else f"{days} more days" if days > 1 else "expires soon",
    ]
    return f"the key works ({'; '.join(filter(None, parts)) or 'connected'})"
