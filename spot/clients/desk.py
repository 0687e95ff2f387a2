"""The desk: the tasks of a web process that keep book, roster and usage true. One per event loop.

One renews the book, by a message of the channel layer and by a timer. One tells the other processes each second
what this one has, adds up usage, and ends connections that may not stay. Nothing here is waited for by a request, but
the first reading of the book and tickets.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextvars import Context
from itertools import islice
from typing import Any

import structlog
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from spot.clients import addresses, limits, tickets
from spot.clients.book import CHANGED, GROUP, book
from spot.clients.leases import Leases, Progress
from spot.clients.protocols import uses
from spot.clients.roster import Connected, roster
from spot.clients.usage import usage
from spot.codes import Refused
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

#: Every so many seconds the book is compared with the database, though no message came, and every so many it is read
#: again, with what other processes have used.
_COMPARE, _REFRESH = 4.0, 60.0
#: A first request waits so long for the book.
_PATIENCE = 2.0
#: Reports go out so often, and so soon after a connection whose number is limited came or went, in seconds.
_SHARE, _SOON = 1.0, 0.05
#: Connections are ended so many at a time, and so often, in seconds, so that not all come back at once.
_AT_A_TIME, _PAUSE = 100, 0.02
#: Whoever has made a key waits so long for it to be in the book, in seconds.
_RENEWAL = 2.0


#: What else web processes know from the database. The desk renews it in a thread, whenever it reads the whole book;
#: apps add their own when they are ready.
renewals: list[Callable[[], None]] = []


class Desk:
    """The tasks of one event loop."""

    _of_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Desk] = weakref.WeakKeyDictionary()

    @classmethod
    def current(cls) -> Desk:
        """The running loop's desk, started on first use."""
        loop = asyncio.get_running_loop()
        desk = cls._of_loop.get(loop)
        if desk is None:
            desk = cls._of_loop[loop] = cls()
            desk._start()
        return desk

    def __init__(self) -> None:
        self.redis = settings.REDIS.async_blocking_client(8, 2)
        self._leases, self._progress, self._addresses = Leases(), Progress(), addresses.Addresses()
        #: Whether limits hold in this process only.
        self._alone = False
        self._due, self._soon = asyncio.Event(), asyncio.Event()
        self._settled = asyncio.Event()
        #: Those who wait until the book has been read.
        self._readers: list[asyncio.Future[None]] = []
        self._next_expiry: int | None = None
        self._waiting: dict[Connected, Refused] = {}
        self._ending: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _start(self) -> None:
        self._due.set()
        roster.changed = self._soon.set
        for loop in (self._read_forever, self._listen_forever, self._share_forever):
            self._tasks.append(asyncio.create_task(loop(), name=f"desk {loop.__name__}", context=Context()))

    async def aclose(self) -> None:
        """Stop the tasks, store what has been counted, and close the connections."""
        roster.changed = lambda: None
        running = {*self._tasks, *([self._ending] if self._ending else [])}
        while running:  # cancelled once more when it was lost: a client that is just connecting swallows it
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.2)
        try:
            await self._flush()
            await self._leases.withdraw(self.redis)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("usage of the last second lost", error=type(error).__name__)
        await self.redis.aclose()
        self._of_loop.pop(asyncio.get_running_loop(), None)

    async def settle(self) -> None:
        """Wait until the book has been read, or cannot be for now."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._settled.wait()
        except TimeoutError:
            book.settled = True
            log.warning("keys not read yet: clients without a key are served, others are asked to come again")

    # --- tickets -----------------------------------------------------------------------------------------------------

    async def issue(self, digest: bytes) -> str:
        """A new ticket for the key of that hash, or for a `PAGE`. Raises `Refused` while Redis is out of reach."""
        try:
            return await tickets.issue(self.redis, digest)
        except (RedisError, OSError, TimeoutError) as error:
            raise _no_tickets(error) from error

    async def redeem(self, ticket: str) -> bytes:
        """The hash of the key that a ticket is for, or `tickets.PAGE`. Raises `Refused`."""
        try:
            return await tickets.redeem(self.redis, ticket)
        except (RedisError, OSError, TimeoutError) as error:
            raise _no_tickets(error) from error

    # --- the book ----------------------------------------------------------------------------------------------------

    async def _read_forever(self) -> None:
        version: Hashable = None
        refreshed, clock = 0.0, asyncio.get_running_loop().time
        while True:
            if whole := self._due.is_set() or clock() - refreshed > _REFRESH:
                version, refreshed = None, clock()
            self._due.clear()
            readers, self._readers = self._readers, []
            try:
                for renew in renewals if whole else ():
                    await asyncio.to_thread(renew)
                version = await self._read(version)
            except DatabaseError as error:
                book.settled = True
                log.warning("keys cannot be read", error=type(error).__name__)
            except Exception:
                book.settled = True
                log.exception("keys cannot be read")
            self._settled.set()
            for reader in readers:
                reader.set_result(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_COMPARE):
                    await self._due.wait()

    async def _renew(self) -> None:
        """Read the book now, or as soon as a reading that has begun is over."""
        self._readers.append(read := asyncio.get_running_loop().create_future())
        self._due.set()
        await asyncio.shield(read)

    async def _read(self, version: Hashable) -> Hashable:
        """Renew the book if the database has another version by now; returns that."""
        from spot.clients import records  # noqa: PLC0415 - models cannot be imported before the apps are ready

        newest, contents = await asyncio.to_thread(records.read_if_changed, version)
        if contents is not None:
            usage.learn(contents.used)
            if book.fill(contents):
                self._note_expiries()
                self._end(judged())
        return newest

    async def _listen_forever(self) -> None:
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self._due.set()  # what changed before
                while True:
                    message = await layer.receive(channel)
                    if message.get("type") == CHANGED:
                        self._due.set()
            except Exception as error:  # noqa: BLE001 - an outermost loop: begin anew
                log.warning("changes of keys out of reach", error=type(error).__name__)
                await asyncio.sleep(1)

    # --- what is shared ----------------------------------------------------------------------------------------------

    async def _share_forever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_SHARE):
                    await self._soon.wait()
                await asyncio.sleep(_SOON)  # those that come together are told together
            except TimeoutError:
                pass
            self._soon.clear()
            try:
                await self._share()
                self._alone = False
            except (RedisError, OSError, TimeoutError) as error:
                roster.elsewhere = {}
                addresses.forget()
                if not self._alone:
                    log.warning("limits hold in this process only", error=type(error).__name__)
                self._alone = True
            except Exception:
                log.exception("connections cannot be compared")
            self._expire()

    async def _share(self) -> None:
        """Tell the other processes what this one has, and hear what they have."""
        own = self._addresses.report(ending=roster.is_ending)
        report = {"open": roster.open(), "spent": limits.requests.recent(), "addresses": own}
        others = await self._leases.exchange(self.redis, report)
        for key, cost in self._progress.since(_part(others, "spent")).items():
            limits.requests.take_elsewhere(f"key:{key}", cost)
        self._end(roster.compare(self._leases.process, _part(others, "open")))
        self._end(self._addresses.learn(self._leases.process, own, _part(others, "addresses")))
        await self._flush()

    async def _flush(self) -> None:
        for _ in roster.read_meters():
            await asyncio.sleep(0)
        await uses.flush(self.redis)
        if usage.is_pending:
            await usage.flush(self.redis)
            limited = (one for key in roster.keyed.values() for one in key if one.who.plan.credits_per_month)
            self._end((one, refused) for one in limited if (refused := usage.problem(one.who)) is not None)

    # --- ends --------------------------------------------------------------------------------------------------------

    def _note_expiries(self) -> None:
        now = now_ms()
        self._next_expiry = min((at for at in book.expiries() if at > now), default=None)

    def _expire(self) -> None:
        now = now_ms()
        if self._next_expiry is not None and self._next_expiry <= now:
            self._end(judged())
            self._note_expiries()
        pages = ((page, book.judge(page.who, now)) for page in roster.of_pages)
        self._end((page, refused) for page, refused in pages if refused is not None)

    def _end(self, endings: Iterable[tuple[Connected, Refused]]) -> None:
        """End these connections soon."""
        self._waiting.update(endings)
        if self._waiting and (self._ending is None or self._ending.done()):
            self._ending = asyncio.create_task(self._end_waiting())

    async def _end_waiting(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while self._waiting:
            for connection in list(islice(self._waiting, _AT_A_TIME)):
                refused = self._waiting.pop(connection)
                if connection in roster.connections:
                    connection.dismiss(refused)
            due = max(due + _PAUSE, clock())
            await asyncio.sleep(due - clock())


def renew() -> None:
    """Read the books of this process, and wait for it: a key that has just been made is good here at once. For threads
    without an event loop; elsewhere, and in processes without a desk, it does nothing."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return
    for loop, desk in list(Desk._of_loop.items()):
        if not loop.is_running():
            continue
        try:
            asyncio.run_coroutine_threadsafe(desk._renew(), loop).result(_RENEWAL)
        except TimeoutError:
            log.warning("keys not read yet: a new key is good within seconds")


def _part(reports: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """That part of each process's report; one of an older version may lack it."""
    return {process: report.get(name, {}) for process, report in reports.items()}


def judged() -> Iterable[tuple[Connected, Refused]]:
    """The connections that may not stay as they are, with the reason."""
    now, changed = now_ms(), Refused("plan_changed", "The limits of this connection have changed. Connect again.")
    for connection in list(roster.connections):
        client = connection.who
        if (refused := book.judge(client, now, connection.protocol)) is not None:
            yield connection, refused
        elif book.plan_of(client) != client.plan:
            yield connection, changed


def _no_tickets(error: BaseException) -> Refused:
    log.warning("tickets out of reach", error=type(error).__name__)
    return Refused("unavailable", "Tickets cannot be had at the moment; try again in a few seconds.")
