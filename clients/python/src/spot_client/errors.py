"""What can go wrong, as exceptions.

SpotError                 everything below
├── Refused               the server said no: code, message, field, allowed, retry
│   ├── BadRequest        the request cannot be served as it is: a parameter, a value, the message
│   ├── NotFound          no such coin, currency or feed
│   ├── Unauthorized      no key, or one that is not valid
│   ├── Forbidden         the key or the plan does not allow it
│   ├── TooMany           a limit is reached; `retry_after` says for how long
│   └── Unavailable       there are no data yet, or the server is full
└── Unreachable           no answer, or one that no Spot server gives
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spot_client.feeds import CLOSES, STATUSES, WAITS


class SpotError(Exception):
    """Something that this package raises. `retry`: whether the same request may succeed later."""

    retry: bool = True


class Unreachable(SpotError):
    """The server does not answer, or what answers is no Spot server."""

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


class Refused(SpotError):
    """The server refuses a request. `code`: as in the documents. `field`, `allowed`: which parameter is the cause, and
    what it may be, where there is one. `retry`: whether the same request may succeed later, and `retry_after` after how
    many seconds, if that is known. `status`: the HTTP status."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        allowed: str | None = None,
        retry: bool = False,
        retry_after: float | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.allowed = allowed
        self.retry = retry
        self.retry_after = retry_after
        self.status = status


class BadRequest(Refused):
    """The request cannot be served as it is."""


class NotFound(Refused):
    """There is no such coin, currency or feed."""


class Unauthorized(Refused):
    """The server wants a key, or a valid one."""


class Forbidden(Refused):
    """The key, its plan or the origin does not allow this."""


class TooMany(Refused):
    """A limit is reached."""


class Unavailable(Refused):
    """There are no data yet, or the server is full."""


_KINDS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 429: TooMany, 503: Unavailable}


def from_frame(frame: Mapping[str, Any], status: int | None = None, retry_after: float | None = None) -> Refused:
    """The exception of an error frame, or of the same JSON over HTTP with its status and Retry-After."""
    code = str(frame.get("code", "unknown"))
    status = status or STATUSES.get(code, 400)
    retry = bool(frame.get("retry", False))
    if retry and retry_after is None:
        retry_after = WAITS.get(code)
    return _KINDS.get(status, BadRequest)(
        code,
        str(frame.get("message", "The server refuses the request.")),
        field=frame.get("field"),
        allowed=frame.get("allowed"),
        retry=retry,
        retry_after=retry_after,
        status=status,
    )


def wait_of(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After; None where there is none, or a date."""
    return float(retry_after) if retry_after and retry_after.isdigit() else None


def from_answer(status: int, body: bytes, retry_after: str | None) -> SpotError:
    """The exception of an HTTP answer that is no success."""
    try:
        frame = json.loads(body)
    except ValueError:
        frame = None
    if isinstance(frame, dict) and "code" in frame:
        return from_frame(frame, status, wait_of(retry_after))
    if 300 <= status < 400:
        return Unreachable(f"The server redirects (HTTP {status}). Use the address that it redirects to.", retry=False)
    message = f"The answer is HTTP {status}, without the reason that a Spot server gives."
    return Unreachable(message, retry=status >= 500)


def from_close(code: int, reason: str = "") -> Refused | None:
    """The exception of a close code after which a client should not come back by itself; None for all others."""
    fact = CLOSES.get(code)
    if fact is None or fact.reconnect:
        return None
    message = reason or f"The server has closed the connection ({code}): {fact.meaning}."
    return _KINDS.get(fact.status, BadRequest)(str(code), message, status=fact.status)
