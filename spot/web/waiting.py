"""One state of a subscription, for a request that gets one answer and not a stream.

A request is a member of the hub until it has its state, so that it asks for data as a socket does.
"""

from __future__ import annotations

import asyncio

from spot.clients.plans import network
from spot.codes import Refused
from spot.dialects.frames import Message
from spot.feeds.subscription import Subscription
from spot.hub.audience import PreparedSocket
from spot.hub.groups import Update
from spot.hub.hub import Hub

#: How long a request waits for data that have never been fetched, in seconds.
PATIENCE = 10.0
#: The pause between two looks at the group, where coins are missing: that a coin has no price changes no row, so the
#: group pushes nothing then.
_LOOK_SECONDS = 0.1


class Waiter:
    """A member of the hub that waits for one state."""

    socket: PreparedSocket | None = None

    def __init__(self, client: str) -> None:
        self.client = client
        self.first: asyncio.Future[Update] = asyncio.get_running_loop().create_future()

    def push(self, update: Update) -> None:
        """The state waited for, or a newer one that comes too late."""
        if not self.first.done():
            self.first.set_result(update)

    def say(self, _message: Message, _kind: str) -> None:
        """Control frames are for sockets; but they come when there is a reason why no data will."""
        group = Hub.current().group_of(self)
        if group is not None and group.hopeless is not None:
            self.refuse_later(group.hopeless)

    def refuse_later(self, refused: Refused) -> None:
        """What was asked for does not exist."""
        if not self.first.done():
            self.first.set_exception(refused)


async def current(subscription: Subscription, client: str, patience: float = PATIENCE) -> Update:
    """The newest state of a subscription, waiting up to `patience` seconds for its first one and for coins that are
    being fetched. `client` is the address that asks. Raises `Refused` when there is nothing to show."""
    hub, waiter = Hub.current(), Waiter(network(client))
    try:
        hub.join(waiter, subscription)
        async with asyncio.timeout(patience):
            update = await waiter.first
            while any(why.pending for why in update.missing.values()):
                await asyncio.sleep(_LOOK_SECONDS)
                update = _state(hub, waiter) or update
    except TimeoutError:
        if (latest := _state(hub, waiter)) is None:
            raise _why_nothing(hub, waiter) from None
        update = latest
    finally:
        hub.leave(waiter)
    if update.missing and len(update.missing) == len(subscription.params["coin_ids"]):
        raise Refused("unavailable", " ".join(dict.fromkeys(why.message for why in update.missing.values())))
    return update


def _state(hub: Hub, waiter: Waiter) -> Update | None:
    group = hub.group_of(waiter)
    return group.update if group else None


def _why_nothing(hub: Hub, waiter: Waiter) -> Refused:
    group = hub.group_of(waiter)
    troubles = [topic.trouble for topic in group.topics if topic.trouble] if group else []
    if not troubles:
        return Refused("unavailable", "No data have been fetched yet; try again in a few seconds.")
    return Refused("unavailable", troubles[0].public, next_try=troubles[0].next_try)
