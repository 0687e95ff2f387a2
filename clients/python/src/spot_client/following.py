"""Following feeds over sockets, in asyncio: `Watch` for pages, `Tail` for events."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NoReturn

from anyio import move_on_after

from spot_client.address import given
from spot_client.errors import Refused, SpotError
from spot_client.models import Value
from spot_client.page import Clock, Page, RowT
from spot_client.protocol import Follow, Heard
from spot_client.sockets import Carrier, Line

#: How many events `Tail` asks for: all that the server keeps.
_EVENTS = 500


class Tasks:
    """The tasks of a client. Each is cancelled only once: a second time would cut its farewell to the server short."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that does the work."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(self._ending.discard)
        return task

    def end(self, task: asyncio.Task[None]) -> None:
        """Let the task end soon."""
        if not task.done() and task not in self._ending:
            self._ending.add(task)
            task.cancel()

    async def end_all(self) -> None:
        """Let all tasks end, and wait until they have."""
        while self._running:
            for task in list(self._running):
                self.end(task)
            await asyncio.wait(list(self._running))


class Follower:
    """The task that keeps one view up to date: connects, reads, comes back. Whoever shows the view waits for `news`."""

    def __init__(self, carrier: Carrier, follow: Follow) -> None:
        self.follow = follow
        self._carrier = carrier
        self.connected = False
        self.trouble = ""
        self.notices: deque[str] = deque(maxlen=16)
        self.error: SpotError | None = None  # why it has ended
        self.late: Refused | None = None  # a refusal that nobody waited for
        self.fresh: Page[Any] | None = None  # the newest page, until somebody takes it
        self.news = asyncio.Event()
        self.on_page: Callable[[Page[Any]], None] | None = None
        self._line: Line | None = None
        self._reverted: Refused | None = None  # the last refusal after which the view stayed as it was
        self._answer: asyncio.Future[None] | None = None
        self._attempt = 0

    async def run(self) -> None:
        """Stay connected until the server says that coming back does not help."""
        while True:
            error = await self._once()
            if (failure := self._final(error)) is not None:
                self._fail(failure)
                return
            await self._pause(error)

    async def update(self, changes: Mapping[str, Value]) -> None:
        """Ask for something else; raises `Refused` if the server does, and the view stays."""
        wanted = given(changes)
        if all(wanted.get(name) == self.follow.wanted.get(name) for name in changes):
            return
        if self._answer is not None and not self._answer.done():
            await asyncio.wait([self._answer])
        answer = self._answer = asyncio.get_running_loop().create_future()
        message = self.follow.change(changes, time.monotonic())
        if message is not None and self._line is not None:
            await self._line.send(message)
        await answer

    # --- one connection ----------------------------------------------------------------------------------------------

    async def _once(self) -> SpotError:
        """Connect, and stay until the connection ends; why it did."""
        try:
            async with self._carrier.line(self.follow) as line:
                self._line = line
                await self._converse(line)
        except SpotError as error:
            return error
        finally:
            self._line, self.connected = None, False

    async def _converse(self, line: Line) -> NoReturn:
        follow = self.follow
        for message in follow.opened(time.monotonic(), time.time() * 1000):
            await line.send(message)
        self.connected, self.trouble = True, ""
        refused: Refused | None = None
        while True:
            frame = None
            try:
                with move_on_after(follow.due() - time.monotonic()):
                    frame = await line.recv()
            except SpotError as closed:
                if refused is not None and (refused.retry or not closed.retry):
                    raise refused from closed  # the frame before the close says more than its code
                raise
            if frame is None:
                if (due := follow.tick(time.monotonic(), time.time() * 1000)) is not None:
                    await line.send(due)
                continue
            heard = follow.heard(frame, time.monotonic(), time.time() * 1000)
            if heard.send is not None:
                await line.send(heard.send)
            refused = self._take(heard) or (refused if heard.page is None else None)

    def _take(self, heard: Heard) -> Refused | None:
        """Hand on what a frame has brought; the refusal in it, if nobody waits for one."""
        if heard.page is not None:
            self._attempt = 0
            self.fresh = heard.page
            if self.on_page is not None:
                self.on_page(heard.page)
            self.news.set()
        if heard.notice is not None:
            self.notices.append(heard.notice)
        if heard.accepted:
            self._answered(None)
        if heard.refused is None or self.follow.page is None:
            return heard.refused
        if self._answered(heard.refused):
            self._reverted = heard.refused
            self.follow.revert()
        elif not heard.refused.retry:  # a change that seemed to be accepted: the server has taken it back
            self.follow.revert()
            self.late = heard.refused
            self.news.set()
        return heard.refused

    def _answered(self, refused: SpotError | None) -> bool:
        """Tell whoever waits for the answer to a change."""
        answer, self._answer = self._answer, None
        if answer is None or answer.done():
            return False
        if refused is None:
            answer.set_result(None)
        else:
            answer.set_exception(refused)
        return True

    # --- between two -------------------------------------------------------------------------------------------------

    def _final(self, error: SpotError) -> SpotError | None:
        """The error, if coming back would not help. A change of parameters that is refused is taken back."""
        if error.retry or error is self._reverted:
            return None
        if self.follow.page is not None and self._answered(error):
            self.follow.revert()
            return None
        return error

    def _fail(self, error: SpotError) -> None:
        self.error = error
        self.trouble = str(error)
        self._answered(error)
        self.news.set()

    async def _pause(self, error: SpotError) -> None:
        seconds = self._carrier.pause(self.follow.feed, error, self._attempt)
        self._attempt += 1
        self.trouble = str(error)
        self.news.set()
        await asyncio.sleep(seconds)


class Watch(Generic[RowT]):
    """The pages of a feed: `async for page in watch`. Prices are state, so a slow loop gets the newest page and skips
    those between. A page also comes again when its data have become stale. It reconnects by itself, and raises
    `Refused` when the server says that this would not help.

    Nothing happens before the first page is asked for. The connection ends with `aclose()`, with the client, or when
    nobody holds the watch any more.
    """

    def __init__(
        self, carrier: Carrier, feed: str, params: Mapping[str, Any], clock: Clock, tasks: Tasks | None = None
    ) -> None:
        self._tasks = tasks or Tasks()
        self._follower = Follower(carrier, Follow(feed, params, clock))
        self._task: asyncio.Task[None] | None = None
        self._told_stale = False

    def __aiter__(self) -> Watch[RowT]:
        return self

    async def __anext__(self) -> Page[RowT]:
        follower = self._start()
        while True:
            if follower.fresh is not None:
                page, follower.fresh = follower.fresh, None
                self._told_stale = page.stale
                return page
            if (late := follower.late) is not None:
                follower.late = None
                raise late
            if follower.error is not None:
                raise follower.error
            if self._task is not None and self._task.done():
                raise StopAsyncIteration
            follower.news.clear()
            with move_on_after(self._turns_stale_in()) as waiting:
                await follower.news.wait()
            if waiting.cancelled_caught:
                follower.fresh = follower.follow.page

    def _turns_stale_in(self) -> float | None:
        """Seconds until the page turns stale without a word of the server; None: it is not awaited."""
        page = self.page
        at = None if page is None or self._told_stale else page.stale_at_ms
        return None if at is None else max(0.0, at / 1000 - time.time()) + 0.01

    async def __aenter__(self) -> Watch[RowT]:
        self._start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._task is not None and not self._task.done():
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._task.get_loop().call_soon_threadsafe(self._tasks.end, self._task)

    def _start(self) -> Follower:
        if self._task is None:
            self._task = self._tasks.start(self._follower.run())
        return self._follower

    @property
    def page(self) -> Page[RowT] | None:
        """The newest page; None before the first."""
        return self._follower.follow.page

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that are wanted."""
        return dict(self._follower.follow.wanted)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._follower.connected

    @property
    def trouble(self) -> str:
        """Why there is no connection, or why there are no fresh data; empty when all is well."""
        status = self._follower.follow.status or {}
        return self._follower.trouble or str(status.get("reason") or "")

    @property
    def notices(self) -> list[str]:
        """The last messages of the server for people, such as a change of source."""
        return list(self._follower.notices)

    async def update(self, **changes: Value) -> None:
        """Ask for something else over the same connection; None clears a parameter. Returns once the server has
        accepted it. Raises `Refused` if it does not, and the view stays as it is."""
        follower = self._start()
        await follower.update(changes)
        if follower.fresh is not None and follower.fresh is not follower.follow.page:
            follower.fresh = None

    async def aclose(self) -> None:
        """End the connection."""
        if self._task is not None and not self._task.done():
            self._tasks.end(self._task)
            await asyncio.wait([self._task])


@dataclass(frozen=True)
class Gap:
    """Events before the next one are lost: more came than the server keeps while there was no connection. `after`: the
    id of the last event before the gap."""

    after: str | None


class _Events:
    """The events that nobody has taken yet, from pages that are newest first."""

    def __init__(self, last: int, since: str | None) -> None:
        self.waiting: deque[Any] = deque()
        self._seen: dict[str, None] | None = None if since is None else {since: None}
        self._last = last

    def sort(self, page: Page[Any]) -> None:
        """Queue what is new on a page."""
        if self._seen is None:
            self.waiting.extend(reversed(page.rows[: self._last]))
        else:
            new = [row for row in page.rows if row["id"] not in self._seen]
            if new and self._seen and len(new) == len(page.rows):
                self.waiting.append(Gap(next(iter(self._seen))))
            self.waiting.extend(reversed(new))
        if page.rows or self._seen is None:
            self._seen = {row["id"]: None for row in page.rows}


class Tail(Generic[RowT]):
    """The events of a feed, each once, oldest first: `async for event in tail`. After a reconnect it goes on where it
    was; events that are lost are told by a `Gap` in their place."""

    def __init__(
        self,
        carrier: Carrier,
        feed: str,
        params: Mapping[str, Any],
        clock: Clock,
        tasks: Tasks | None = None,
        *,
        last: int = 0,
        since: str | None = None,
    ) -> None:
        fixed = sorted({"page", "page_size", "sort_by", "sort_order"} & given(params).keys())
        if fixed:
            raise ValueError(f"{fixed[0]} is no parameter of a tail: events come in the order in which they happen")
        self._watch: Watch[RowT] = Watch(carrier, feed, {**params, "page_size": _EVENTS}, clock, tasks)
        self._events = _Events(last, since)
        self._watch._follower.on_page = self._events.sort

    def __aiter__(self) -> Tail[RowT]:
        return self

    async def __anext__(self) -> RowT | Gap:
        while not self._events.waiting:
            await self._watch.__anext__()
        event: RowT | Gap = self._events.waiting.popleft()
        return event

    async def __aenter__(self) -> Tail[RowT]:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    @property
    def page(self) -> Page[RowT] | None:
        """The newest page behind the events, for its age and source."""
        return self._watch.page

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._watch.connected

    @property
    def trouble(self) -> str:
        """Why there is no connection, or why there are no fresh data; empty when all is well."""
        return self._watch.trouble

    async def aclose(self) -> None:
        """End the connection."""
        await self._watch.aclose()
