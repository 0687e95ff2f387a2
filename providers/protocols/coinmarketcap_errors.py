"""CoinMarketCap's errors, of REST and stream: one table of codes, one status object.

https://coinmarketcap.com/api/documentation/guides/errors-and-rate-limits; the stream's codes and closes are those of
https://coinmarketcap.com/api/documentation/pro-api-websocket/overview.
"""

from __future__ import annotations

from typing import Any, ClassVar

import orjson

from providers.clean import text
from providers.errors import NotFound, ProviderError, RateLimited, Unauthorized, Unavailable


class Resting(RateLimited):
    """A rate limit whose code implies when to retry, since there is no Retry-After header."""

    seconds: ClassVar[float]

    def __init__(self, message: str, *, permanent: bool | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, permanent=permanent, retry_after=retry_after or self.seconds)


class MinuteSpent(Resting):
    """The calls of this minute are used up; the window is 60 seconds."""

    seconds = 60.0


class DaySpent(Resting):
    """The day's credits are used up; retried every hour."""

    seconds = 3_600.0


class MonthSpent(Resting):
    """The month's credits are used up; retried four times a day."""

    seconds = 21_600.0


class AddressSpent(Resting):
    """Too many calls from this machine's address, which may be shared."""

    seconds = 120.0


class ConnectionsSpent(Resting):
    """The key has no connection left; the provider needs a while to notice a dead one of ours."""

    seconds = 300.0


#: The codes of both interfaces. An endpoint that the plan lacks (1006, 2302; without a key 1005) is `NotFound`, since
#: the account's other endpoints go on working.
CODES: dict[int, type[ProviderError]] = {
    1001: Unauthorized,  # invalid
    1002: Unauthorized,  # missing
    1003: Unauthorized,  # not yet activated
    1004: Unauthorized,  # subscription expired
    1005: NotFound,  # this endpoint requires a key
    1006: NotFound,
    1007: Unauthorized,  # disabled
    1008: MinuteSpent,
    1009: DaySpent,
    1010: MonthSpent,
    1011: AddressSpent,
    2201: NotFound,  # request format
    2202: NotFound,
    2203: NotFound,
    2204: NotFound,
    2301: NotFound,  # no such channel
    2302: NotFound,
    2303: RateLimited,  # subscriptions
    2304: ConnectionsSpent,
    2401: NotFound,  # parameters
    2402: NotFound,
    5001: Unavailable,
}
_STATUSES: dict[int, type[ProviderError]] = {401: Unauthorized, 402: Unauthorized, 403: RateLimited, 429: RateLimited}
#: After these the connection is unusable, and is closed.
FATAL = frozenset({1001, 1002, 1003, 1004, 1005, 1006, 1007, 1009, 1010, 1011, 2304})
#: A single id or address of the request may be the cause.
PARAMETERS = frozenset({2401, 2402})
NO_ROOM = 2303

_CLOSES: dict[int, tuple[type[ProviderError], str]] = {
    4004: (ConnectionsSpent, "too many connections for this key"),
    4100: (Unauthorized, "the key is invalid"),
    4101: (Unauthorized, "the key is disabled"),
    4102: (NotFound, "the plan has no stream: it needs Startup or higher"),
}


def explain(body: Any) -> tuple[int | None, str]:
    """The code and the text of a response with a status object; the code is a number or a string of digits::

    {"status": {"timestamp": "…", "error_code": 1008, "error_message": "…", "elapsed": 3, "credit_count": 0}}
    {"type": "error", "id": 1, "status": {"error_code": "2401", "category": "PROTOCOL", "error_message": "…",
     "error_detail": "…"}}
    """
    status = body.get("status") if isinstance(body, dict) else None
    if not isinstance(status, dict):
        return None, ""
    sentences = [text(status.get(name)) for name in ("error_message", "error_detail")]
    return whole(status.get("error_code")), " ".join(filter(None, sentences))


def whole(value: Any) -> int | None:
    """A non-negative integer of at most nine digits, given as a number or a string; else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:10])
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


def error_of(code: int, sentence: str) -> ProviderError:
    """The error of a code: from the table, else the code is taken as an HTTP status."""
    kind = CODES.get(code) or _STATUSES.get(code) or (NotFound if 400 <= code < 500 else Unavailable)
    return kind(f"{code}: {sentence}" if sentence else f"error {code}")


def refused(status: int, body: bytes) -> ProviderError:
    """Translate an HTTP response to the handshake: by its code, or by its status where it has no code."""
    try:
        code, sentence = explain(orjson.loads(body))
    except orjson.JSONDecodeError:
        code, sentence = None, ""
    return error_of(status if code is None else code, sentence)


def closed(code: int, reason: str) -> ProviderError | None:
    """Translate a close. 1000 and 1001 (idle) are no errors; the other documented codes are errors of the server."""
    if code in (1000, 1001):
        return None
    kind, sentence = _CLOSES.get(code, (Unavailable, text(reason)[:100]))
    return kind(f"closed with {code}: {sentence}" if sentence else f"closed with {code}")
