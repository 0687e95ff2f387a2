"""Dialects: each a wire protocol, without input or output. Pure.

A dialect reads a client's messages into commands and writes values (`spot.dialects.values`) into messages. It opens no
socket, reads no clock and waits for nothing; one instance serves all its connections, so it keeps nothing of any of
them. Equal instances are one dialect: their subscriptions to equal views share a group, and each message of the group
is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from spot.codes import Refused
from spot.dialects.credentials import Finder, find
from spot.dialects.frames import Message
from spot.dialects.interface import Channel
from spot.dialects.values import Failed, Page, Value
from spot.feeds.view import View


@dataclass(frozen=True, slots=True)
class Since:
    """The last that a client has seen of a view, to go on after it: the number of a page or an event, and the epoch
    that it belongs to; or the key of an event, which outlives processes."""

    seq: int = 0
    epoch: str = ""
    key: Hashable | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Follow a view under a name of this connection's; the name's old view, if any, is left. `tag` is the dialect's
    own, for the answer. At most `max_rate` pages a second are sent (0: as they come), the newest each time. `dialect`
    writes them, where it is another than the connection's."""

    name: Hashable
    view: View
    since: int | Since | None = None
    tag: Any = None
    max_rate: float = 0
    dialect: Dialect | None = None


@dataclass(frozen=True, slots=True)
class Follow:
    """Follow several views, all or none of them, except coins that do not exist beside others with the same tag.
    `instead`: of all that the connection follows. What it follows already goes on. No two subscriptions that were asked
    for apart may have the same tag, except None."""

    wishes: tuple[Subscribe, ...]
    instead: bool = False
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Which:
    """Subscriptions of a connection: those of these names, of that channel, or with that tag; all of them if nothing is
    said. `family` is the first item of their names, where names are tuples. `field` is where the client has named
    them."""

    names: frozenset[Hashable] | None = None
    channel: str | None = None
    tag: Any = None
    field: str = ""
    family: Hashable | None = None


EVERY = Which()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Leave the views of these subscriptions."""

    which: Which = EVERY
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Amend:
    """Change what the view of one subscription asks for; None clears a parameter. Of several subscriptions with the
    same tag the pace and the dialect can be changed together (None: as they are)."""

    changes: Mapping[str, object]
    which: Which = EVERY
    tag: Any = None
    max_rate: float | None = None
    dialect: Dialect | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer at once."""

    tag: Any = None


@dataclass(frozen=True, slots=True)
class List:
    """Tell the subscriptions of the connection."""

    tag: Any = None


@dataclass(frozen=True, slots=True)
class Resync:
    """Send the whole page once more."""

    which: Which = EVERY
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Export:
    """Send the whole range of the view as CSV."""

    which: Which = EVERY
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """A message that cannot be obeyed, although its tag could be read."""

    refused: Refused
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Be from now on the client with this key, shown in a message and not in the handshake. What was followed as
    another client ends. A wrong key changes nothing."""

    key: str = field(repr=False)
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Find the coins with these symbols: of each the largest by market cap. `then` makes the commands that follow of
    their ids by symbol, in upper case; a symbol that no coin has, or several small ones, is not among them. It may
    raise `Refused`."""

    symbols: frozenset[str]
    then: Callable[[Mapping[str, str]], Sequence[Command]]
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Beat:
    """Send a heartbeat (`Tick`) after each silence of so many seconds from now on; 0: none."""

    seconds: float
    tag: Any = None


Command = (
    Subscribe | Follow | Unsubscribe | Amend | Ping | List | Resync | Export | Mistake | Authenticate | Lookup | Beat
)  # fmt: skip


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
    #: Whether each of these is a message of its own, without a first page: events from before are not sent.
    single_events: ClassVar[bool] = False
    #: Whether a `Follow` of events that nobody brings is refused.
    refuses_absent: ClassVar[bool] = False
    #: Whether its pages tell the time of sending: a page that has stood for a while is written anew for newcomers.
    dated: ClassVar[bool] = False
    #: Subscriptions that one connection may have.
    subscriptions: ClassVar[int] = 1
    #: Seconds between two heartbeats (`Tick`) of a connection, and without a message after which it is closed.
    heartbeat_seconds: ClassVar[float] = 0
    idle_seconds: ClassVar[float] = 0
    #: The close code after `idle_seconds`.
    idle_close: ClassVar[int] = 1000
    #: Whether a connection is idle only if there is no news either of what it follows.
    idle_without_news: ClassVar[bool] = False
    #: Whether clients that may not connect read that from a close code, and not from the status of their handshake.
    refuses_by_close: ClassVar[bool] = False
    #: Whether those without a key read it from the status too; if not, from a close code.
    refuses_by_status: ClassVar[bool] = False
    #: Seconds between two WebSocket pings, and until the answer to one must have come; 0: as the server does it.
    ping_seconds: ClassVar[float] = 0
    pong_seconds: ClassVar[float] = 0
    #: Messages a minute from each client; 0: as its plan allows.
    messages_per_minute: ClassVar[int] = 0

    def read(self, message: str | bytes, depth: int) -> Sequence[Command]:
        """The commands of a client's message. Raises `Refused`; no input raises anything else. `depth`: how many coins
        by market cap heatmap pages may reach."""
        raise NotImplementedError

    def write(self, value: Value) -> bytes | None:
        """The message that tells a value; None where the protocol has none. What a group tells its members comes
        without their `label`."""
        raise NotImplementedError

    def label(self, _wish: Subscribe) -> bytes:
        """What a subscription's messages from its group begin with. What comes after it is made once for all."""
        return b""

    def renamed(self, name: Hashable, _view: View) -> Hashable:
        """The name of a subscription after its view has changed."""
        return name

    def message(self, payload: bytes) -> Message:
        """What `write` has returned, to be sent to any number of connections."""
        return Message(payload, binary=self.binary)

    def same(self, before: Page, page: Page) -> bool:
        """Whether a client would be sent the same page again."""
        return before.answer.data == page.answer.data

    def shows(self, _page: Page) -> bool:
        """Whether a page is sent at all."""
        return True

    def close_code(self, refused: Refused) -> int:
        """The code of the close that ends a connection which cannot be served."""
        return int(refused.fact.close)

    def close_reason(self, _refused: Refused) -> str:
        """The text of that close."""
        return ""

    def ends(self, _refused: Refused) -> bool:
        """Whether a refused message ends the connection."""
        return False

    def http_refusal(self, refused: Refused, now_ms: int) -> tuple[int, bytes]:
        """HTTP status and JSON body where a handshake is refused."""
        return refused.fact.status, self.write(Failed(None, refused, now_ms)) or b"{}"


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
    #: Where a handshake carries its key.
    credentials: Finder = find
    #: Whether the key may also come in a message (`Authenticate`). Where a key is required, a handshake without one is
    #: accepted, and nothing is served until the key has come, which must be soon.
    late_key: bool = False
