"""Answers that wait until it is known whether anybody brings what is followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from spot.codes import Refused
from spot.hub.subscription import Subscription

#: A worker says within so many seconds whether somebody does; after that it is taken for granted.
_PATIENCE = 5.0


class Awaited:
    """The answer to subscriptions of streamed data: `done` makes it, or `refuse` where nobody brings them; `flush`
    sends it."""

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        done: Callable[[], bytes | None],
        refuse: Callable[[Refused], bytes | None],
        flush: Callable[[], None],
    ) -> None:
        self._subscriptions = subscriptions
        self._done, self._refuse = done, refuse
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + _PATIENCE
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, flush)

    def is_ready(self) -> bool:
        """Whether that is known."""
        return self._clock() >= self._until or all(map(_is_settled, self._subscriptions))

    def __call__(self) -> bytes | None:
        """The payload."""
        self._timer.cancel()
        groups = [one.group for one in self._subscriptions if one.group is not None]
        refused = next((refused for group in groups if (refused := group.hopeless) is not None), None)
        return self._done() if refused is None else self._refuse(refused)

    def cancel(self) -> None:
        """The connection has ended."""
        self._timer.cancel()


def _is_settled(subscription: Subscription) -> bool:
    group = subscription.group
    return group is None or group.ready or any(topic.trouble is not None for topic in group.topics)
