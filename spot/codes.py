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
    KEY = 4401
    OUT_OF_CREDITS = 4402
    ORIGIN = 4403
    NOT_FOUND = 4404
    FORBIDDEN = 4405
    PLAN_CHANGED = 4409
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
    Close.KEY: CloseFact("a key is required, or it is unknown, expired or revoked", reconnect=False),
    Close.OUT_OF_CREDITS: CloseFact("the key's credits of this month are used up", reconnect=False),
    Close.ORIGIN: CloseFact("the page's origin is not allowed here", reconnect=False),
    Close.NOT_FOUND: CloseFact("no such feed, coin or currency", reconnect=False),
    Close.FORBIDDEN: CloseFact("the plan or the key does not allow this", reconnect=False),
    Close.PLAN_CHANGED: CloseFact("the limits of the client have changed; connect again", reconnect=True),
    Close.TOO_MANY_QUERIES: CloseFact(
        "more distinct queries, currencies or charts than the server keeps", reconnect=False
    ),
    Close.TOO_MANY_MESSAGES: CloseFact("messages came faster than the limit for too long", reconnect=True),
    Close.TOO_MANY_CONNECTIONS: CloseFact("too many connections from one address or with one key", reconnect=False),
    Close.SLOW_READER: CloseFact("the client did not read for the send deadline", reconnect=True),
}


class ErrorFact(NamedTuple):
    """The consequences of an error code: the close code where no connection can be had, the HTTP status, and after how
    many seconds the same request may succeed (None: never). `when`: its row in the documents."""

    close: Close
    status: int
    wait: int | None = None
    when: str = ""

    @property
    def retry(self) -> bool:
        """Whether a program should send the same request again after a while."""
        return self.wait is not None


ERRORS: dict[str, ErrorFact] = {
    "bad_message": ErrorFact(Close.BAD_REQUEST, 400, when="the message or query string cannot be read"),
    "unknown_field": ErrorFact(
        Close.BAD_REQUEST,
        400,
        when="a parameter or field that does not exist; the message lists those that do",
    ),
    "bad_value": ErrorFact(Close.BAD_REQUEST, 400, when="a value that is not allowed; the message says what is"),
    "missing_field": ErrorFact(Close.BAD_REQUEST, 400, when="a required parameter is missing"),
    "body_refused": ErrorFact(Close.BAD_REQUEST, 413, when="an HTTP request has a body where none is read"),
    "unknown_coin": ErrorFact(
        Close.NOT_FOUND,
        404,
        when="no coin has this id, or none of these; if it is a symbol, the message and `allowed` name the coins that "
        "have it",
    ),
    "unknown_currency": ErrorFact(Close.NOT_FOUND, 404, when="the provider does not quote this currency"),
    "unknown_feed": ErrorFact(Close.NOT_FOUND, 404, when="there is no feed at this path"),
    "not_acceptable": ErrorFact(
        Close.BAD_REQUEST, 406, when="the header `Accept` forbids what the path answers; only over HTTP"
    ),
    "upgrade_required": ErrorFact(
        Close.BAD_REQUEST,
        426,
        when="a socket's path was asked over plain HTTP: a proxy dropped the header `Upgrade`, most likely; only over "
        "HTTP",
    ),
    "key_required": ErrorFact(Close.KEY, 401, when="this site serves data with a key only, and there was none"),
    "bad_key": ErrorFact(Close.KEY, 401, when="no key reads like this"),
    "key_revoked": ErrorFact(Close.KEY, 401, when="the key has been revoked"),
    "key_expired": ErrorFact(Close.KEY, 401, when="the key has expired; the message says when"),
    "bad_ticket": ErrorFact(Close.KEY, 401, when="the ticket is unknown, used, or older than 60 seconds"),
    "forbidden_origin": ErrorFact(Close.ORIGIN, 403, when="the key may not be used by pages of this origin"),
    "forbidden_network": ErrorFact(Close.FORBIDDEN, 403, when="the key may not be used from this address"),
    "forbidden_channel": ErrorFact(
        Close.FORBIDDEN, 403, when="the plan does not have this feed; `allowed` names those that it has"
    ),
    "too_many_attempts": ErrorFact(
        Close.KEY, 429, wait=60, when="too many wrong keys or tickets have come from this address"
    ),
    "out_of_credits": ErrorFact(
        Close.OUT_OF_CREDITS, 429, wait=3600, when="the key's credits of this month (UTC) are used up"
    ),
    "plan_changed": ErrorFact(
        Close.PLAN_CHANGED, 403, wait=1, when="the limits of the client have changed; only on sockets"
    ),
    "too_many_datasets": ErrorFact(
        Close.TOO_MANY_QUERIES,
        429,
        wait=60,
        when="more currencies, charts or extra coins than the server watches together, or than your address may ask "
        "for in an hour",
    ),
    "too_many_queries": ErrorFact(
        Close.TOO_MANY_QUERIES,
        429,
        wait=60,
        when="more distinct live queries than the server keeps",
    ),
    "too_many_messages": ErrorFact(
        Close.TOO_MANY_MESSAGES,
        429,
        wait=1,
        when="messages come too fast; this one was not heard",
    ),
    "too_many_requests": ErrorFact(
        Close.TOO_MANY_MESSAGES,
        429,
        wait=1,
        when="too many HTTP requests from this address or with this key",
    ),
    "too_many_connections": ErrorFact(
        Close.TOO_MANY_CONNECTIONS,
        429,
        wait=10,
        when="too many sockets from this address or with this key",
    ),
    "overloaded": ErrorFact(Close.OVERLOADED, 503, wait=5, when="the server has all the sockets it takes"),
    "unavailable": ErrorFact(Close.OVERLOADED, 503, wait=5, when="there are no data yet"),
}


#: Why a coin that was asked for is not in an answer, and what that means.
MISSING = {
    "unknown_coin": "no coin has this id",
    "no_price": "the source has no price of it",
    "unavailable": "not fetched yet, or in vain",
}
#: What people are told once, and when.
NOTICES = {
    "source_changed": "the data come from another provider than before",
    "realm_changed": "real data have taken the place of the demo, or the other way round",
}


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
