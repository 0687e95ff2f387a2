"""CoinMarketCap's error codes, as the WebSocket documents them, and which of our refusals is which. Pure.

https://coinmarketcap.com/api/documentation/pro-api-websocket/overview. 1008 is of the REST interface, whose form errors
of the socket have too; the socket documents no code of its own for messages that come too fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from spot.codes import Close, Refused
from spot.dialects.times import iso


class Fact(NamedTuple):
    """Category and text of a code; the close that stands for it when connecting, and whether that comes alone."""

    category: str
    message: str
    close: int | None = None
    silent: bool = False


CODES = {
    1001: Fact("AUTH", "This API Key is invalid.", 4100, silent=True),
    1002: Fact("AUTH", "API key missing.", 4100),
    1003: Fact("AUTH", "Your API Key must be activated.", 4100),
    1004: Fact("AUTH", "Your API Key subscription plan has expired.", 4100),
    1006: Fact("AUTH", "Your plan does not support this endpoint.", 4102, silent=True),
    1007: Fact("AUTH", "This API Key has been disabled. Please contact support.", 4101, silent=True),
    1008: Fact("AUTH", "You've exceeded your API Key's request rate limit."),
    1010: Fact("AUTH", "Monthly credit limit exceeded.", 4102),
    2201: Fact("PROTOCOL", "Invalid request format."),
    2202: Fact("PROTOCOL", "Unknown method."),
    2203: Fact("PROTOCOL", "Message length is not right."),
    2204: Fact("PROTOCOL", "Missing required field."),
    2301: Fact("PROTOCOL", "Channel does not exist."),
    2302: Fact("PROTOCOL", "Channel not available on your plan."),
    2303: Fact("PROTOCOL", "Subscription limit reached."),
    2304: Fact("PROTOCOL", "Connection limit reached.", 4004, silent=True),
    2401: Fact("PROTOCOL", "Missing required param for channel."),
    2402: Fact("PROTOCOL", "Invalid param for channel."),
    5001: Fact("SERVER", "Internal server error."),
}
#: Our refusals; all others are 5001.
_CODES = {
    "bad_message": 2201,
    "unknown_field": 2201,
    "bad_value": 2402,
    "missing_field": 2401,
    "unknown_coin": 2402,
    "unknown_currency": 2402,
    "forbidden_channel": 2302,
    "too_many_datasets": 2303,
    "too_many_queries": 2303,
    "too_many_messages": 1008,
    "too_many_connections": 2304,
    "key_required": 1002,
    "bad_key": 1001,
    "bad_ticket": 1001,
    "too_many_attempts": 1001,
    "key_revoked": 1007,
    "key_expired": 1004,
    "forbidden_origin": 1006,
    "forbidden_network": 1006,
    "out_of_credits": 1010,
    "unknown_feed": 1006,
}


@dataclass(eq=False)
class Wrong(Refused):
    """A refusal with a code of this protocol's own."""

    number: int = 2201


def wrong(number: int, detail: str) -> Wrong:
    """The refusal of a message."""
    return Wrong("bad_message", detail, number=number)


def absent(refused: Refused) -> Refused:
    """The refusal of a channel that nobody brings."""
    return Wrong("unavailable", refused.message, number=2302) if refused.code == "unavailable" else refused


def code_of(refused: Refused) -> int:
    """The code of a refusal."""
    return refused.number if isinstance(refused, Wrong) else _CODES.get(refused.code, 5001)


def close_of(refused: Refused) -> int:
    """The close of a connection that cannot be had, or not any longer."""
    if refused.code in ("plan_changed", "overloaded"):
        return int(Close.RESTARTING)
    return CODES[code_of(refused)].close or int(Close.OVERLOADED)


def status_of(refused: Refused, now_ms: int) -> dict[str, Any]:
    """The status object of an error."""
    code = code_of(refused)
    return {
        "timestamp": iso(now_ms),
        "error_code": str(code),
        "category": CODES[code].category,
        "error_message": CODES[code].message,
        "error_detail": refused.message,
    }
