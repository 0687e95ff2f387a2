"""Dialects: each a wire protocol, without input or output. Pure.

A dialect reads a client's messages into commands and writes values (`spot.dialects.values`) into messages. It opens no
socket, reads no clock and waits for nothing; one instance serves all its connections, so it keeps nothing of any of
them. Equal instances are one dialect: their subscriptions to equal views share a group, and each message of the group
is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from spot.codes import Refused
from spot.dialects.interface import Channel
from spot.dialects.values import Failed, Page, Value
from spot.feeds.view import View


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Follow a view under a name of this connection's; the name's old view, if any, is left. `since`: the number of
    the last event that the client has seen, to go on after it. `tag` is the dialect's own, for the answer."""

    name: str
    view: View
    since: int | None = None
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Leave the view of that name."""

    name: str
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Amend:
    """Change what the view of that name asks for; None clears a parameter."""

    changes: Mapping[str, object]
    name: str = ""
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer at once."""

    tag: Any = None


@dataclass(frozen=True, slots=True)
class Resync:
    """Send the whole page of that name once more."""

    name: str = ""
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Export:
    """Send the whole range of the view of that name as CSV."""

    name: str = ""
    tag: Any = None


Command = Subscribe | Unsubscribe | Amend | Ping | Resync | Export


class Dialect:
    """One wire protocol. The defaults are those of a protocol that says nothing beyond its pages."""

    #: Its name in documents.
    name: ClassVar[str] = ""
    #: Whether its messages are binary.
    binary: ClassVar[bool] = False
    #: Whether its rows have the fields beyond the documented ones.
    extended: ClassVar[bool] = False
    #: Whether clients count its pages: one that would look the same then keeps its number, and is not renewed.
    numbered: ClassVar[bool] = False
    #: Whether clients are told how their data are doing (`Status`, `Heartbeat`) without having asked; if not, they are
    #: told when nobody brings any (`Unavailable`).
    statuses: bool = False
    #: Whether a client that has the page before is sent what has changed since.
    deltas: bool = False
    #: Whether followers of a feed of events are sent each event (`Events`) after the first page.
    events: ClassVar[bool] = False
    #: Subscriptions that one connection may have.
    subscriptions: ClassVar[int] = 1
    #: Seconds between two heartbeats (`Tick`) of a connection, and without a message after which it is closed.
    heartbeat_seconds: ClassVar[float] = 0
    idle_seconds: ClassVar[float] = 0
    #: The close code after `idle_seconds`.
    idle_close: ClassVar[int] = 1000

    def welcome(self, now_ms: int) -> bytes | None:
        """The first message to a connection, if there is one."""

    def read(self, message: str | bytes, depth: int) -> Sequence[Command]:
        """The commands of a client's message. Raises `Refused`; no input raises anything else. `depth`: how many coins
        by market cap heatmap pages may reach."""
        raise NotImplementedError

    def write(self, value: Value) -> bytes | None:
        """The message that tells a value; None where the protocol has none."""
        raise NotImplementedError

    def same(self, before: Page, page: Page) -> bool:
        """Whether a client would be sent the same page again."""
        return before.answer.data == page.answer.data

    def close_code(self, refused: Refused) -> int:
        """The code of the close that ends a connection which cannot be served."""
        return int(refused.fact.close)

    def http_refusal(self, refused: Refused) -> tuple[int, bytes]:
        """HTTP status and JSON body where a handshake is refused."""
        return refused.fact.status, self.write(Failed(None, refused)) or b"{}"


class Opening(NamedTuple):
    """The dialect that a connection speaks and its first commands, by its address."""

    dialect: Dialect
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, eq=False)
class Route:
    """A path at which sockets are served. `open(query_string, subprotocols, depth)` reads its address, or raises
    `Refused`; equal arguments must give equal results. `refusals` is the dialect of a refusal before that."""

    path: str
    open: Callable[[bytes, tuple[str, ...], int], Opening]
    refusals: Dialect
    #: Sub-protocols that are accepted when a client offers them.
    subprotocols: tuple[str, ...] = ()
    #: What it says to programs, made when the documents are.
    interface: Callable[[], Channel] | None = None
