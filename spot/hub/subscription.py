"""Subscriptions: each a view that one connection follows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from spot.clients.limits import Bucket
from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.frames import Message
from spot.feeds.view import View
from spot.hub.outbox import Direct, Outbox

if TYPE_CHECKING:
    from spot.hub.groups import Group
    from spot.hub.update import Seen


class Subscription:
    """A member of the hub's groups. `client` is the one that it is counted for; `on_refused` is told when the view
    turns out not to exist, or gives way to others; `label` is what its messages begin with; `tag` is the dialect's
    own."""

    __slots__ = (
        "client", "dialect", "group", "label", "name", "on_refused", "outbox", "pace", "seq", "slot", "tag", "view",
        "view_before",
    )  # fmt: skip

    def __init__(
        self,
        name: Hashable,
        client: str,
        dialect: Dialect,
        outbox: Outbox,
        on_refused: Callable[[Subscription, Refused], None],
        *,
        label: bytes = b"",
        tag: Any = None,
    ) -> None:
        self.name = name
        self.client = client
        self.dialect = dialect
        self.outbox = outbox
        self.on_refused = on_refused
        self.label = label
        self.tag = tag
        #: Where the hub has put it.
        self.group: Group | None = None
        self.view: View | None = None
        #: The last view that was found to exist, to go back to.
        self.view_before: View | None = None
        #: Its place among the frames of the outbox.
        self.slot = 0
        #: The number of the page that was sent last, or what the client says that it has seen.
        self.seq: Seen = None
        #: How fast pages may be sent; None: as they come.
        self.pace: Bucket | None = None

    @property
    def frame_slot(self) -> int | None:
        """Its place among the outbox's frames; None where the socket takes none or deflates them, or pages must
        wait."""
        socket = self.outbox.socket
        waits = self.pace is not None or self.outbox.pace is not None
        return None if socket is None or socket.deflates or waits else self.slot

    def lend(self) -> Direct | None:
        """The connection's socket, for broadcasts."""
        return self.outbox.lend()

    def say(self, message: Message, kind: type) -> None:
        """A control message; of each kind only the newest matters."""
        self.outbox.say(self, message, kind)

    def refuse_later(self, refused: Refused) -> None:
        """The view turned out not to exist; the hub has already forgotten the subscription."""
        self.on_refused(self, refused)
