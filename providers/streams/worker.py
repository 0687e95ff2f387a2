"""Streams, kept open: one worker a provider that has one and a key for it.

A worker reads settings every few seconds, so that what an operator changes holds without a restart; leads by a lock, so
that of several processes one has the connection; connects while there is something to follow; and connects again after
every end, with full jitter, unless the provider said that it is of no use: then not until key, plan or address change.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import redis.asyncio
import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections
from redis.exceptions import RedisError

from providers import access
from providers.access import Access
from providers.base import Provider
from providers.budget import Budget, wall_ms
from providers.errors import ProviderError, RateLimited, Unavailable
from providers.models import ProviderSettings
from providers.stream import Stream, Topic
from providers.streams import stream_state
from providers.streams.link import End, Link, Sink, Timing
from providers.streams.sieve import Sieve
from providers.streams.stream_state import Lead, StreamState, Word

log = structlog.get_logger("providers.stream")

T = TypeVar("T")
#: Coins that a stream keeps fresh when the operator does not say.
COINS = 20
#: How often, in seconds, a stream says how it is although nothing has changed.
_TELL_SECONDS = 5.0
#: A provider that turns us away for asking too much, and does not say for how long, is left alone for this long.
_LIMITED_SECONDS = 60.0
#: A stream that has used up what has accrued of the month rests until that much more has, so that it does not come and
#: go, and polls have their part.
_PAUSE_MS = 1_800_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator wants of a stream: the accesses that may be used, best first, and how many coins."""

    entries: Sequence[Access]
    coins: int = COINS


def wish(provider: Provider) -> Wish:
    """What holds now, from database and environment; called in a thread. A plan without a stream has none, whatever
    address is given."""
    entries = [entry for entry in access.all_of(provider) if entry.plan.stream_url and entry.stream_url]
    wished = ProviderSettings.objects.filter(name=provider.name).values_list("stream_coins", flat=True).first()
    return Wish(entries, COINS if wished is None else wished)


def pause(failures: int, stream: Stream, jitter: float) -> float:
    """Seconds before the next try after that many failures in a row: anything up to a bound that doubles. Pure."""
    return jitter * min(stream.longest_pause, stream.first_pause * 2.0 ** min(failures - 1, 30))


def route_of(entry: Access) -> str:
    """A short name of address, plan and key together: what a refusal is about, so that mending any of them ends it."""
    return hashlib.sha256(f"{entry.stream_url} {entry.plan.name} {entry.key.reveal()}".encode()).hexdigest()[:12]


async def _in_thread(ask: Callable[..., T], *arguments: object) -> T:
    """What a function answers that may use the database: in a thread, over a connection that does not grow old."""

    def asked() -> T:
        close_old_connections()
        try:
            return ask(*arguments)
        finally:
            close_old_connections()

    return await asyncio.to_thread(asked)


class Worker:
    """One provider's stream in this process. `wish`, clocks and `jitter` (0 to 1) are for tests to hand in."""

    def __init__(
        self,
        provider: Provider,
        sink: Sink,
        client: redis.asyncio.Redis,
        budget: Budget,
        *,
        timing: Timing = Timing(),  # noqa: B008 - it is frozen
        wish: Callable[[Provider], Wish] = wish,
        now_ms: Callable[[], int] = wall_ms,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        assert provider.stream is not None
        self._provider, self._stream, self._sink, self._redis = provider, provider.stream, sink, client
        self._budget, self._timing, self._wish_of = budget, timing, wish
        self._now_ms, self._clock, self._jitter = now_ms, clock, jitter
        self._lead = Lead(client, provider.name, timing.lead, clock)
        self._sieve = Sieve()
        self._wish = Wish(())
        self._topics: Sequence[Topic] = ()
        self._refused: dict[str, ProviderError] = {}
        self._trouble: ProviderError | None = None
        self._failures = self._reconnects = self._ticks = self._dropped = 0
        self._settings_due = self._topics_due = self._tell_due = self._try_at = float("-inf")
        self._wanted_at = float("-inf")
        self._counts = Counter[str]()
        self._counts_due = clock() + timing.report
        self._paused_until: int | None = None
        self._link: Link | None = None
        self._task: asyncio.Task[End] | None = None
        self._told: StreamState | None = None
        self._ending = asyncio.Event()

    def stop(self) -> None:
        """Let `run` end soon. Cancelling it would do, were it not that a waiting client of Redis may swallow that."""
        self._ending.set()

    async def run(self) -> None:
        """Until stopped; then the connection is closed and the lead given up."""
        try:
            while not self._ending.is_set():
                try:
                    await self._turn()
                except (RedisError, OSError, DatabaseError) as error:
                    log.warning("stream held up", provider=self._provider.name, error=type(error).__name__)
                except Exception:
                    log.exception("stream failed", provider=self._provider.name)
                    await self._hang_up()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.beat):
                        await self._ending.wait()
        finally:
            await self._leave()

    # --- one turn -----------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        await self._read_wish()
        if not self._wish.entries:
            await self._leave()
            return
        if not await self._lead.hold():
            await self._hang_up()
            return
        await self._collect()
        entry = next((one for one in self._wish.entries if route_of(one) not in self._refused), None)
        if self._link is not None and (entry is None or route_of(self._link.access) != route_of(entry)):
            await self._hang_up()
        if entry is not None:
            await self._follow(entry)
        self._add_up()
        await self._tell(entry)

    async def _read_wish(self) -> None:
        now = self._clock()
        if now < self._settings_due:
            return
        self._settings_due = now + self._timing.settings
        before = {route_of(entry) for entry in self._wish.entries}
        self._wish = await _in_thread(self._wish_of, self._provider)
        routes = {route_of(entry) for entry in self._wish.entries}
        self._refused = {route: error for route, error in self._refused.items() if route in routes}
        if routes - before:  # what went wrong before is about something else
            self._failures, self._try_at, self._topics_due = 0, float("-inf"), float("-inf")

    async def _follow(self, entry: Access) -> None:
        """Connect, stay connected, or hang up, by what there is to follow and to spend."""
        now = self._clock()
        if now >= self._topics_due:
            self._topics_due = now + self._timing.topics
            most = entry.plan.stream_topics
            self._topics = await _in_thread(self._sink.topics, self._provider, self._wish.coins, most)
        if self._topics or "listings" in self._stream.brings:
            self._wanted_at = now
        if self._link is not None:
            await self._charge(self._link)
        if self._rests() or now - self._wanted_at > self._timing.linger:
            await self._hang_up()
        elif self._link is None and self._wanted_at == now and now >= self._try_at:
            self._connect(entry)
        if self._link is not None:
            self._link.want(self._topics)

    def _rests(self) -> bool:
        if self._paused_until is not None and self._now_ms() >= self._paused_until:
            self._paused_until = None
        return self._paused_until is not None

    async def _charge(self, link: Link) -> None:
        """Charge the month with what came since the last turn, and rest when what has accrued of it is used up."""
        spent, link.millicredits = link.millicredits, 0
        if spent and (wait := await asyncio.to_thread(self._budget.charge, link.access, spent)):
            self._paused_until = self._now_ms() + round(wait * 1000) + _PAUSE_MS

    # --- connecting, and what comes of it -----------------------------------------------------------------------------

    def _connect(self, entry: Access) -> None:
        self._link = Link(
            entry,
            self._stream,
            self._sink,
            self._sieve,
            timing=self._timing,
            now_ms=self._now_ms,
            clock=self._clock,
            may_go_on=lambda: self._lead.sure,
        )
        self._link.want(self._topics)
        self._task = asyncio.create_task(self._link.run(), name=f"stream {self._provider.name}")

    async def _collect(self) -> None:
        """See whether the connection has ended, and decide when the next one is due."""
        if self._task is None or self._link is None or not self._task.done():
            return
        self._add_up()
        await self._charge(self._link)
        link, task, self._link, self._task = self._link, self._task, None, None
        end = self._end_of(task)
        self._reconnects += 1
        self._trouble = end.error
        wait = self._wait(end)
        self._try_at = self._clock() + wait
        if end.error is not None and end.error.permanent:
            self._refused[route_of(link.access)] = end.error
            self._failures, self._try_at = 0, float("-inf")
        await self._say_end(link.access, end.error, wait)

    def _end_of(self, task: asyncio.Task[End]) -> End:
        """How it ended. What is our own mistake is told whole, and tried again like any other failure."""
        mistake = task.exception()
        if mistake is None:
            return task.result()
        if isinstance(mistake, RedisError | OSError | DatabaseError):
            return End(Unavailable(f"what it brought could not be stored: {type(mistake).__name__}"))
        log.error("stream failed", provider=self._provider.name, exc_info=mistake)
        return End(Unavailable("the stream failed inside the gateway; its log says how"))

    def _wait(self, end: End) -> float:
        """Seconds before the next try."""
        self._failures = 0 if end.settled else self._failures
        if end.within is not None:
            return self._jitter() * min(end.within, self._stream.first_pause)
        self._failures += 1
        wait = pause(self._failures, self._stream, self._jitter())
        if end.error is not None and end.error.retry_after is not None:
            return max(wait, end.error.retry_after * (1 + self._jitter() / 10))
        return max(wait, _LIMITED_SECONDS) if isinstance(end.error, RateLimited) else wait

    async def _say_end(self, entry: Access, error: ProviderError | None, wait: float) -> None:
        """One line in the log and, for an error, one in the admin."""
        name = self._provider.name
        if error is None:
            log.info("stream ended", provider=name, retry_in=round(wait, 1))
            return
        next_try = {"until": "key, plan or address change"} if error.permanent else {"retry_in": round(wait, 1)}
        said = "stream refused" if error.permanent else "stream lost"
        log.warning(said, provider=name, outcome=error.code, error=error.message, **next_try)
        await self._note(entry, error.code, error.message)

    async def _note(self, entry: Access, code: str, message: str) -> None:
        """Leave the outcome of a connection where those of fetches are."""
        took = self._link.took_ms if self._link is not None else 0
        subject = {"at": self._now_ms(), "dataset": "stream", "provider": self._provider.name}
        outcome = {"outcome": code, "message": message, "calls": 1, "ms": took}
        await asyncio.to_thread(self._budget.note, entry, subject | outcome)

    async def _hang_up(self) -> None:
        """End the connection, if there is one; nothing is wrong."""
        link, task = self._link, self._task
        if task is None or link is None:
            return
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=self._timing.close + 1)
        self._add_up()
        self._link = self._task = None
        await self._charge(link)

    async def _leave(self) -> None:
        """Have no connection, no lead and no state."""
        await self._hang_up()
        await self._lead.release()
        if self._told is not None:
            self._told = None
            try:
                await stream_state.tell(self._redis, self._provider.name, None)
            except (RedisError, OSError):
                return  # it ends by itself

    # --- telling ------------------------------------------------------------------------------------------------------

    def _add_up(self) -> None:
        found = self._sieve.counts + (self._link.counts if self._link is not None else Counter())
        self._sieve.counts.clear()
        if self._link is not None:
            self._link.counts.clear()
        self._ticks += found.pop("data", 0)
        self._dropped += found["dropped"]
        self._counts.update(found)

    async def _tell(self, entry: Access | None) -> None:
        """Say in Redis how the stream is; in the log when that is another word than before, and what was odd."""
        now, state = self._clock(), self._state(entry)
        changed = self._told is None or self._told.state != state.state
        if changed:
            log.info("stream", provider=self._provider.name, state=state.state, followed=state.followed)
            if state.state == "live" and entry is not None:
                await self._note(entry, "ok", "")
        if changed or now >= self._tell_due:
            self._told, self._tell_due = state, now + _TELL_SECONDS
            await stream_state.tell(self._redis, self._provider.name, state)
        if now >= self._counts_due:
            self._counts_due = now + self._timing.report
            if self._counts:
                log.info("stream oddities", provider=self._provider.name, counts=str(dict(self._counts)))
                self._counts.clear()

    def _state(self, entry: Access | None) -> StreamState:
        link = self._link
        connected = link is not None and link.since_ms is not None
        trouble = None if connected else self._trouble
        until: int | None = None
        word: Word = "idle"
        if entry is None:
            word, trouble = "refused", next(iter(self._refused.values()))
        elif self._paused_until is not None:
            word, until = "paused", self._paused_until
        elif link is not None:
            word = "live" if connected else "connecting"
        elif self._clock() < self._try_at:
            word, until = "waiting", self._now_ms() + round((self._try_at - self._clock()) * 1000)
        return StreamState(
            state=word,
            at=self._now_ms(),
            message=trouble.message if trouble else "",
            code=trouble.code if trouble else "",
            until=until,
            since=link.since_ms if link else None,
            heard=link.heard_ms if link else None,
            followed=len(link.followed) if link else 0,
            ticks=self._ticks,
            dropped=self._dropped,
            reconnects=self._reconnects,
            account=(entry or self._wish.entries[0]).account,
        )
