"""The values that a dialect writes: a page and what changed in it, statuses, notices, refusals. Pure.

The hub and a connection hand out these. How one looks on the wire, and whether it is sent at all, the dialect says.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from providers.facts import Facts
from spot.codes import Refused
from spot.feeds.answer import Answer
from spot.feeds.view import View


class Missing(NamedTuple):
    """Why a coin that was asked for is not in the answer. `pending`: it may come at any moment."""

    code: str
    message: str
    pending: bool = False


@dataclass(eq=False, slots=True)
class Page:
    """A view at a version. `seq` numbers the pages of its group, or is the number of its newest event; `missing` says
    why each coin that was asked for is not in the answer, by its id; `run` names the process that numbers; it was made
    at `now_ms`."""

    answer: Answer
    facts: Facts
    seq: int
    stale: bool
    missing: Mapping[str, Missing]
    run: str = ""
    now_ms: int = 0

    @property
    def epoch(self) -> str:
        """Within one epoch numbers and versions compare: the store's life and the process."""
        return epoch_of(self.facts, self.run)


def epoch_of(facts: Facts, run: str) -> str:
    """The epoch of numbers that a process gives to data of one life of the store."""
    return f"{facts.epoch}.{run}"


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
    run: str = ""


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
    now_ms: int = 0


class Tick(NamedTuple):
    """A dialect's own heartbeat on one connection, every `Dialect.heartbeat_seconds`."""

    now_ms: int


class Opened(NamedTuple):
    """A connection has been accepted. `session` is its name in our logs; `limit` how many subscriptions it may have;
    the rates are messages a second, in and out (0: any number); `connections` how many its client may have (0: any
    number), and `expires_at` when the key expires, epoch ms (None: never)."""

    session: str
    limit: int
    rate_in: float
    rate_out: float
    now_ms: int
    connections: int = 0
    expires_at: int | None = None


class Drain(NamedTuple):
    """The server restarts, and closes the connection after so many milliseconds."""

    now_ms: int
    after_ms: int


class Exported(NamedTuple):
    """The whole range of a view as CSV, in answer to a command."""

    answer: Answer
    text: bytes
    command: object = None


class Outcome(NamedTuple):
    """What became of a `Follow` or an `Unsubscribe`: the tags of subscriptions that were there already, by the names of
    the wishes; why some coins are left out; how many subscriptions were left."""

    duplicates: Mapping[Hashable, Any] = {}
    missing: Mapping[str, Missing] = {}
    left: int = 0


class Done(NamedTuple):
    """A command has been carried out, and the connection has so many subscriptions of the most that it may have."""

    command: object
    subscriptions: int
    limit: int
    now_ms: int
    outcome: Outcome = Outcome()


class Failed(NamedTuple):
    """A command could not be carried out; it has changed nothing. None: the message could not be read at all."""

    command: object | None
    refused: Refused
    now_ms: int = 0


class Lapsed(NamedTuple):
    """The view of a subscription does not exist after all, or gave way to others. The subscription has `ended`, or gone
    back to the view before."""

    tag: Any
    view: View
    refused: Refused
    ended: bool
    subscriptions: int
    limit: int
    now_ms: int = 0


class Entry(NamedTuple):
    """One subscription in a list."""

    tag: Any
    view: View
    dialect: Any
    max_rate: float
    state: State
    page: Page | None


class Subscriptions(NamedTuple):
    """The subscriptions of a connection."""

    command: object
    entries: Sequence[Entry]
    limit: int
    now_ms: int


class Events(NamedTuple):
    """The events of a feed since the last one that a client saw, oldest first; the page as it is now. `gap`: some
    events before these or among them are lost to the client."""

    page: Page
    rows: Sequence[Mapping[str, Any]]
    gap: bool


Value = (
    Page | Delta | Events | Status | Heartbeat | Notice | UnknownCoins | Unavailable | Tick | Opened | Drain | Exported
    | Done | Failed | Lapsed | Subscriptions
)  # fmt: skip
