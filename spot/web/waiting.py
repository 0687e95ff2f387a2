"""One page of a view, for a request that gets one answer and not a stream.

A request is a member of the hub until it has its page, so that it asks for data as a socket does.
"""

from __future__ import annotations

import asyncio

from spot.clients.plans import network
from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.frames import Message
from spot.feeds.view import View
from spot.hub.groups import Group, Update
from spot.hub.hub import Hub

#: How long a request waits for data that have never been fetched, in seconds.
PATIENCE = 10.0
#: The pause between two looks at the group, where coins are missing: that a coin has no price changes no row, so the
#: group pushes nothing then.
_LOOK_SECONDS = 0.1


class Waiter:
    """A member of the hub that waits for one page."""

    group: Group | None = None
    seq: int | None = None
    frame_slot = None

    def __init__(self, client: str, dialect: Dialect) -> None:
        self.client = client
        self.dialect = dialect
        self.pages: dict[Waiter, Update] = {}
        self.frames: list[bytes] = []
        self.first: asyncio.Future[Update] = asyncio.get_running_loop().create_future()

    @property
    def outbox(self) -> Waiter:
        """Its pages wait with itself."""
        return self

    def lend(self) -> None:
        """It has no socket."""

    def withdraw(self, _member: Waiter) -> bool:
        """Drop the page that has come."""
        return self.pages.pop(self, None) is not None

    def flush(self) -> None:
        """The page has come, or a newer one that comes too late."""
        if self.pages and not self.first.done():
            self.first.set_result(self.pages.pop(self))

    def say(self, _message: Message, _kind: type) -> None:
        """Control messages are for sockets; but they come when there is a reason why no data will."""
        if self.group is not None and self.group.hopeless is not None:
            self.refuse_later(self.group.hopeless)

    def refuse_later(self, refused: Refused) -> None:
        """The view turned out not to exist."""
        if not self.first.done():
            self.first.set_exception(refused)


async def current(view: View, dialect: Dialect, client: str, patience: float = PATIENCE) -> Update:
    """The newest page of a view, waiting up to `patience` seconds for its first one and for coins that are
    being fetched. `client` is the address that asks. Raises `Refused` when there is nothing to show."""
    hub, waiter = Hub.current(), Waiter(network(client), dialect)
    try:
        hub.join(waiter, view)
        async with asyncio.timeout(patience):
            update = await waiter.first
            while any(why.pending for why in update.missing.values()):
                await asyncio.sleep(_LOOK_SECONDS)
                update = _newest(waiter) or update
    except TimeoutError:
        if (latest := _newest(waiter)) is None:
            raise _why_nothing(waiter) from None
        update = latest
    finally:
        hub.leave(waiter)
    if update.missing and len(update.missing) == len(view.params["coin_ids"]):
        raise Refused("unavailable", " ".join(dict.fromkeys(why.message for why in update.missing.values())))
    return update


def _newest(waiter: Waiter) -> Update | None:
    return waiter.group.update if waiter.group else None


def _why_nothing(waiter: Waiter) -> Refused:
    troubles = [topic.trouble for topic in waiter.group.topics if topic.trouble] if waiter.group else []
    if not troubles:
        return Refused("unavailable", "No data have been fetched yet; try again in a few seconds.")
    return Refused("unavailable", troubles[0].public, next_try=troubles[0].next_try)
