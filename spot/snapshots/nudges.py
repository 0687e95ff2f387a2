"""Nudges: "this dataset has news", from workers and streams to every hub, through the channel layer.

Where traces are made, a nudge carries the context of one. A lost nudge is harmless, since hubs also compare versions on
a slow timer; it is logged, and the caller goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.conf import settings
from redis.exceptions import RedisError

from providers import tracing

log = structlog.get_logger(__name__)

#: The channel-layer group that every web process's hub is in.
GROUP = "snapshots"
#: The type of a nudge among the messages of that group.
TYPE = "snapshot.news"


def nudge(name: str, stored: str | None = None) -> None:
    """Tell every hub that a dataset has news. `stored`: the news is a poll's snapshot, which has just been stored in
    that realm and has ended any trouble."""
    announce(GROUP, _message(name, stored))


def announce(group: str, message: Mapping[str, Any]) -> None:
    """Send a message of the channel layer from a thread without an event loop."""
    sending = asyncio.run_coroutine_threadsafe(_send(group, message), _loop(os.getpid()))
    try:
        sending.result(settings.REDIS.timeout)
    except TimeoutError:
        sending.cancel()
        log.warning("message lost", **message, error="TimeoutError")


@cache
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    """An event loop in a thread of its own, for each process: the channel layer has a connection for each loop, so a
    loop for each nudge would connect for each nudge."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="nudges", daemon=True).start()
    return loop


async def tell(name: str, stored: str | None = None) -> None:
    """The same from an event loop."""
    await _send(GROUP, _message(name, stored))


def _message(name: str, stored: str | None) -> dict[str, Any]:
    message = {"type": TYPE, "name": name, "stored": stored}
    return {**message, "trace": context} if (context := tracing.context()) else message


class Subscription:
    """A hub's subscription to nudges, whose messages go to `hear`."""

    def __init__(self, hear: Callable[[Mapping[str, Any]], None]) -> None:
        self._hear = hear
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether messages come."""
        return self._begun.is_set()

    async def until_begun(self) -> None:
        """Wait until messages come, which they do not while Redis is out of reach."""
        await self._begun.wait()

    async def listen(self) -> None:
        """Listen until cancelled."""
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self._begun.set()
                while True:
                    self._hear(await layer.receive(channel))
            except Exception as error:  # noqa: BLE001 - an outermost loop: begin anew, with no old subscription left
                self._begun.clear()
                log.warning("nudges out of reach", error=type(error).__name__)
                await asyncio.sleep(1)
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    await layer.flush()


async def _send(group: str, message: Mapping[str, Any]) -> None:
    try:
        await get_channel_layer().group_send(group, message)
    except (RedisError, OSError, RuntimeError) as error:  # RuntimeError: the layer's loop or connection is closed
        log.warning("message lost", **message, error=type(error).__name__)
