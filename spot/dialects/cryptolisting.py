"""The protocol of cryptolisting.ws, for programs that speak it: announcements of exchanges. Pure.

Frames are binary with UTF-8 JSON, as the provider sends them; text with `?frames=text`, which its server lacks and
browsers like. `?cex=binance,upbit` names exchanges. An announcement is sent when it comes, never again. Clients need
not say anything; what they say is limited in number and size, and `{"type": "test"}` brings a test announcement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs

import orjson

from spot.codes import Refused
from spot.dialects.base import Command, Dialect, Opening, Ping, Route, Subscribe
from spot.dialects.credentials import places
from spot.dialects.values import Done, Events, Opened, Page, Tick, Unavailable, Value
from spot.feeds import LISTINGS_FEED
from spot.feeds.view import view_of

#: The largest message of a client, in bytes.
_MOST_BYTES = 1024
_US = 1000  # in a millisecond
_NS = 1_000_000
#: Exchanges that are looked for; a longer name, or one more, is none.
_LONGEST_NAME, _MOST_NAMES = 40, 50
#: What ends a connection, in the provider's words, and the close code of each.
_CLOSES: dict[str, tuple[int, str]] = {
    "key_expired": (1000, "key_expired"),
    **dict.fromkeys(("key_revoked", "bad_key", "key_required"), (1000, "key_invalidated")),
    "too_many_messages": (1008, "rate_limit_exceeded"),
    "bad_message": (1009, "frame_too_large"),
}
#: HTTP statuses of a refused handshake, and what the body names: the provider's words where it has some.
_HANDSHAKES: dict[str, tuple[int, str]] = {
    "upgrade_required": (400, "upgrade_required"),
    "key_required": (401, "missing_api_key"),
    **dict.fromkeys(("bad_key", "key_revoked", "key_expired"), (403, "invalid_api_key")),
    "too_many_connections": (429, "per_ip_concurrent_limit_reached"),
    "too_many_attempts": (429, "connection_rate_limit_exceeded"),
}


@dataclass(frozen=True)
class CryptoListing(Dialect):
    """Binary frames. `cex`: the exchanges asked for; none: all."""

    name: ClassVar[str] = "cryptolisting"
    binary: ClassVar[bool] = True
    events: ClassVar[bool] = True
    single_events: ClassVar[bool] = True
    refuses_by_status: ClassVar[bool] = True
    heartbeat_seconds: ClassVar[float] = 30
    ping_seconds: ClassVar[float] = 15
    pong_seconds: ClassVar[float] = 30
    messages_per_minute: ClassVar[int] = 30
    cex: tuple[str, ...] = ()

    def read(self, message: str | bytes, _depth: int) -> Sequence[Command]:
        """A wish for a test announcement; all else is ignored. Raises `Refused` for a large message."""
        raw = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
        if len(raw) > _MOST_BYTES:
            raise Refused("bad_message", f"A message may have at most {_MOST_BYTES} bytes.")
        try:
            wish = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return ()
        return (Ping(),) if isinstance(wish, dict) and wish.get("type") == "test" else ()

    def write(self, value: Value) -> bytes | None:
        """Announcements, and what keeps a connection alive. The announcements of before are not sent."""
        match value:
            case Events(page, rows):
                return orjson.dumps(_announcement(page, rows[0]))
            case Opened():
                return orjson.dumps(self._welcome(value))
            case Tick(now_ms):
                moment = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
                return orjson.dumps({"type": "heartbeat", "timestampNs": now_ms * _NS, "timeUtc": moment})
            case Done(Ping(), now_ms=now_ms):
                return orjson.dumps(_test(now_ms))
            case Unavailable(refused):
                return orjson.dumps({"type": "error", "code": "source_unavailable", "message": refused.message})
        return None

    def _welcome(self, opened: Opened) -> dict[str, Any]:
        expires = opened.expires_at
        return {
            "type": "welcome",
            "tier": "premium",
            "maxConnections": opened.connections or None,
            "allowedCex": list(self.cex) or "*",
            "expiresInSecs": None if expires is None else max(0, (expires - opened.now_ms) // 1000),
        }

    def ends(self, _refused: Refused) -> bool:
        """Too many messages, and too large ones."""
        return True

    def close_code(self, refused: Refused) -> int:
        """The provider's code, or ours for what it does not know."""
        return _CLOSES[refused.code][0] if refused.code in _CLOSES else int(refused.fact.close)

    def close_reason(self, refused: Refused) -> str:
        """The provider's word, or ours."""
        return _CLOSES[refused.code][1] if refused.code in _CLOSES else refused.code

    def http_refusal(self, refused: Refused, _now_ms: int) -> tuple[int, bytes]:
        """`{"error": …}`."""
        status, word = _HANDSHAKES.get(refused.code, (refused.fact.status, refused.code))
        body: dict[str, Any] = {"error": word, "message": refused.message}
        if refused.wait is not None:
            body["retry_after_s"] = refused.wait
        return status, orjson.dumps(body)


@dataclass(frozen=True)
class CryptoListingText(CryptoListing):
    """The same in text frames."""

    binary: ClassVar[bool] = False


def _announcement(page: Page, row: Mapping[str, Any]) -> dict[str, Any]:
    published, detected = row["published_at"], row["detected_at"] or row["received_at"]
    return {
        "type": "announcement",
        "title": row["title"],
        "ticker": ",".join(row["tickers"]),
        "publisher": row["exchange"],
        "listingType": row["type"],
        **({} if published is None else {"publishTimestampUs": published * _US}),
        "detectedTimestampUs": detected * _US,
        "dispatchTimestampUs": page.now_ms * _US,
        "abnormalDetectionLatency": False,
        **({"simulated": True} if page.facts.simulated else {}),
    }


def _test(now_ms: int) -> dict[str, Any]:
    return {
        "type": "test_announcement",
        "title": "Binance Will Delist DUMMYTOKEN",
        "ticker": "DUMMYTOKEN",
        "publisher": "binance",
        "listingType": "spot_delisting",
        "publishTimestampUs": now_ms * _US,
        "detectedTimestampUs": now_ms * _US,
        "dispatchTimestampUs": now_ms * _US,
        "abnormalDetectionLatency": False,
    }


def _open(query_string: bytes, _subprotocols: tuple[str, ...], depth: int) -> Opening:
    """Unknown parameters are ignored, as the provider does it, and names of exchanges that cannot be find nothing."""
    asked = parse_qs(query_string.decode("latin-1"))
    names = {name.strip().lower() for text in asked.get("cex", ()) for name in text.split(",") if name.strip()}
    cex = tuple(sorted(name for name in names if len(name) <= _LONGEST_NAME and name.isprintable())[:_MOST_NAMES])
    if names and not cex:
        cex = ("?",)
    dialect = CryptoListingText if asked.get("frames", [""])[0].lower() == "text" else CryptoListing
    view = view_of(LISTINGS_FEED, {"cex": ",".join(cex)} if cex else {}, depth)
    return Opening(dialect(cex), (Subscribe("announcements", view),))


ROUTES = (Route("compat/cryptolisting", _open, CryptoListing(), credentials=places(("x-api-key",), ("api_key",))),)
