"""The values that a dialect writes: a page and what changed in it, statuses, notices, refusals. Pure.

The hub and a connection hand out these. How one looks on the wire, and whether it is sent at all, the dialect says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from providers.facts import Facts
from spot.codes import Refused
from spot.feeds.answer import Answer


class Missing(NamedTuple):
    """Why a coin that was asked for is not in the answer. `pending`: it may come at any moment."""

    code: str
    message: str
    pending: bool = False


@dataclass(eq=False, slots=True)
class Page:
    """A view at a version. `seq` numbers the pages of its group; `missing` says why each coin that was asked for is not
    in the answer, by its id."""

    answer: Answer
    facts: Facts
    seq: int
    stale: bool
    missing: Mapping[str, Missing]


class Delta(NamedTuple):
    """A page, for a client whose last one was `before`."""

    before: Page
    page: Page


State = Literal["waiting", "live", "stale", "unavailable"]
#: The states of a feed's data, in the words of the documents.
STATES: dict[State, str] = {
    "waiting": "nothing has been fetched yet; it is under way",
    "live": "the data are as fresh as they should be",
    "stale": "the data are older than `max_age_ms`; the last good values stay",
    "unavailable": "there are no data, and the last fetch failed",
}


class Status(NamedTuple):
    """How a feed's data are doing."""

    channel: str
    state: State
    facts: Facts | None
    now_ms: int
    reason: str | None = None
    next_try_ms: int | None = None


class Heartbeat(NamedTuple):
    """Proof that the server lives, with the age of the page that it last sent."""

    channel: str
    facts: Facts
    seq: int
    now_ms: int


class Notice(NamedTuple):
    """Something a person should read once, such as a change of source."""

    code: str
    message: str


class UnknownCoins(NamedTuple):
    """Some of the coins that were asked for do not exist; the others are served."""

    refused: Refused


class Unavailable(NamedTuple):
    """Nobody brings what the feed shows, and nothing is there to be shown: for clients that are sent no status."""

    refused: Refused


class Tick(NamedTuple):
    """A dialect's own heartbeat on one connection, every `Dialect.heartbeat_seconds`."""

    now_ms: int


class Exported(NamedTuple):
    """The whole range of a view as CSV."""

    answer: Answer
    text: bytes


class Done(NamedTuple):
    """A command has been carried out, and the connection has so many subscriptions of the most that it may have."""

    command: object
    subscriptions: int
    limit: int
    now_ms: int


class Failed(NamedTuple):
    """A command could not be carried out; it has changed nothing. None: the message could not be read at all."""

    command: object | None
    refused: Refused


class Events(NamedTuple):
    """The events of a feed since the last one that a client saw, oldest first. `last` is the number of the
    newest, to come back with; `gap`: some events before these are lost to the client."""

    channel: str
    rows: Sequence[Mapping[str, Any]]
    last: int
    gap: bool


Value = (
    Page | Delta | Events | Status | Heartbeat | Notice | UnknownCoins | Unavailable | Tick | Exported | Done | Failed
)
