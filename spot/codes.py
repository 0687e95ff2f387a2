"""Every refusal we can give: error codes, close codes, and the one exception that carries them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Close(IntEnum):
    """WebSocket close codes. Below 4000 they are the protocol's own. `CLOSES` says which of them invite a reconnect."""

    RESTARTING = 1012
    OVERLOADED = 1013
    TOO_BIG = 1009
    BAD_REQUEST = 4400
    ORIGIN = 4403
    NOT_FOUND = 4404
    TOO_MANY_QUERIES = 4413
    TOO_MANY_MESSAGES = 4429
    TOO_MANY_CONNECTIONS = 4430
    SLOW_READER = 4508


class CloseFact(NamedTuple):
    """The meaning of a close code for clients."""

    meaning: str
    reconnect: bool


CLOSES: dict[Close, CloseFact] = {
    Close.TOO_BIG: CloseFact("a message was larger than 64 KiB", reconnect=False),
    Close.RESTARTING: CloseFact("the server restarts", reconnect=True),
    Close.OVERLOADED: CloseFact("the server has all the connections it takes; try again later", reconnect=True),
    Close.BAD_REQUEST: CloseFact(
        "the address asks for something that cannot be; the error frame says what", reconnect=False
    ),
    Close.ORIGIN: CloseFact("the page's origin is not allowed here", reconnect=False),
    Close.NOT_FOUND: CloseFact("no such feed, coin or currency", reconnect=False),
    Close.TOO_MANY_QUERIES: CloseFact(
        "more distinct queries, currencies or charts than the server keeps", reconnect=False
    ),
    Close.TOO_MANY_MESSAGES: CloseFact("messages came faster than the limit for too long", reconnect=True),
    Close.TOO_MANY_CONNECTIONS: CloseFact("too many connections from one address", reconnect=False),
    Close.SLOW_READER: CloseFact("the client did not read for the send deadline", reconnect=True),
}


class ErrorFact(NamedTuple):
    """The consequences of an error code: the close code where no connection can be had, the HTTP status, and after how
    many seconds the same request may succeed (None: never)."""

    close: Close
    status: int
    wait: int | None = None

    @property
    def retry(self) -> bool:
        """Whether a program should send the same request again after a while."""
        return self.wait is not None


ERRORS: dict[str, ErrorFact] = {
    "bad_message": ErrorFact(Close.BAD_REQUEST, 400),
    "unknown_field": ErrorFact(Close.BAD_REQUEST, 400),
    "bad_value": ErrorFact(Close.BAD_REQUEST, 400),
    "missing_field": ErrorFact(Close.BAD_REQUEST, 400),
    "body_refused": ErrorFact(Close.BAD_REQUEST, 413),
    "unknown_coin": ErrorFact(Close.NOT_FOUND, 404),
    "unknown_currency": ErrorFact(Close.NOT_FOUND, 404),
    "unknown_feed": ErrorFact(Close.NOT_FOUND, 404),
    "upgrade_required": ErrorFact(Close.BAD_REQUEST, 426),
    "too_many_datasets": ErrorFact(Close.TOO_MANY_QUERIES, 429, wait=60),
    "too_many_queries": ErrorFact(Close.TOO_MANY_QUERIES, 429, wait=60),
    "too_many_messages": ErrorFact(Close.TOO_MANY_MESSAGES, 429, wait=1),
    "too_many_requests": ErrorFact(Close.TOO_MANY_MESSAGES, 429, wait=1),
    "too_many_connections": ErrorFact(Close.TOO_MANY_CONNECTIONS, 429, wait=10),
    "overloaded": ErrorFact(Close.OVERLOADED, 503, wait=5),
    "unavailable": ErrorFact(Close.OVERLOADED, 503, wait=5),
}


#: Why a coin that was asked for is not in an answer.
MISSING = ("unknown_coin", "no_price", "unavailable")
#: What people are told once.
NOTICES = ("source_changed", "realm_changed")


@dataclass(eq=False)
class Refused(ValueError):
    """A request that cannot be served. `message` is a sentence that names the field and what is allowed. `next_try`:
    when the missing data are fetched next, epoch ms, if that is known."""

    code: str
    message: str
    field: str | None = None
    allowed: str | None = None
    next_try: int | None = None
    #: Seconds after which the same request may succeed, where they are known better than `ErrorFact.wait`.
    wait: int | None = None

    def __post_init__(self) -> None:
        super().__init__(self.message)

    @property
    def fact(self) -> ErrorFact:
        """Close code, HTTP status and retry of this refusal."""
        return ERRORS[self.code]

    def retry_after(self, now_ms: int) -> int | None:
        """Whole seconds until the same request may succeed, at least one; None when it never will."""
        if self.fact.wait is None:
            return None
        if self.next_try is not None and self.wait is None:
            return max(1, -((now_ms - self.next_try) // 1000))
        return max(1, self.fact.wait if self.wait is None else self.wait)


def bad_value(field: str, allowed: str, got: object = None) -> Refused:
    """The refusal of one field's value. `got` is shown shortened, and never when it is long or not text or number."""
    shown = f", not {got!r}" if isinstance(got, (str, int, float, bool)) and len(repr(got)) <= 40 else ""
    return Refused("bad_value", f"{field} must be {allowed}{shown}.", field, allowed)
