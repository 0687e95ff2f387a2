"""The worker that keeps a provider's stream open.

It reads settings every few seconds, so that an operator's changes apply without a restart; acquires a lock, so that one
of several processes has the connection; connects while there are channels to subscribe to; and reconnects with backoff
and full jitter. After a permanent rejection it waits until key, plan or address change.
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
from providers.stream import Channel, Stream
from providers.streams import stream_state
from providers.streams.link import End, Link, Sink, Timing
from providers.streams.sieve import Sieve
from providers.streams.stream_state import Lead, Phase, StreamState

log = structlog.get_logger("providers.stream")

T = TypeVar("T")
#: Coins that a stream carries unless the operator says otherwise.
COINS = 20
#: Seconds between two publications of an unchanged state.
_PUBLISH_SECONDS = 5.0
#: Seconds to wait after a rate limit without a Retry-After.
_LIMITED_SECONDS = 60.0
#: After spending what has accrued of the month, a stream pauses until this much more time's worth has. Otherwise it
#: would connect and disconnect all the time, and leave polls nothing.
_PAUSE_MS = 1_800_000


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The operator's settings of a stream: the accesses allowed, best first, and the number of coins."""

    entries: Sequence[Access]
    coins: int = COINS


def stream_settings(provider: Provider) -> StreamSettings:
    """The settings in force, from database and environment; called in a thread. A plan without a stream has no entry,
    whatever address is configured."""
    entries = [entry for entry in access.all_of(provider) if entry.plan.stream_url and entry.stream_url]
    coins = ProviderSettings.objects.filter(name=provider.name).values_list("stream_coins", flat=True).first()
    return StreamSettings(entries, COINS if coins is None else coins)


def backoff(failures: int, stream: Stream, jitter: float) -> float:
    """Seconds before the next attempt after that many failures in a row: exponential, with full jitter. Pure."""
    return jitter * min(stream.longest_pause, stream.first_pause * 2.0 ** min(failures - 1, 30))


def route_of(entry: Access) -> str:
    """A short hash of address, plan and key: a rejection applies to the three together, and ends when one changes."""
    return hashlib.sha256(f"{entry.stream_url} {entry.plan.name} {entry.key.reveal()}".encode()).hexdigest()[:12]


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call a function that uses the database in a thread, with no stale connection before and none open after."""

    def call() -> T:
        close_old_connections()
        try:
            return function(*arguments)
        finally:
            close_old_connections()

    return await asyncio.to_thread(call)


class Worker:
    """One provider's stream in this process. Tests pass `read_settings`, clocks and `jitter` (0 to 1)."""

    def __init__(
        self,
        provider: Provider,
        sink: Sink,
        client: redis.asyncio.Redis,
        budget: Budget,
        *,
        timing: Timing = Timing(),  # noqa: B008 - it is frozen
        read_settings: Callable[[Provider], StreamSettings] = stream_settings,
        now_ms: Callable[[], int] = wall_ms,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        assert provider.stream is not None
        self._provider, self._stream, self._sink, self._redis = provider, provider.stream, sink, client
        self._budget, self._timing, self._read_settings = budget, timing, read_settings
        self._now_ms, self._clock, self._jitter = now_ms, clock, jitter
        self._lead = Lead(client, provider.name, timing.lead, clock)
        self._sieve = Sieve()
        self._settings = StreamSettings(())
        self._channels: Sequence[Channel] = ()
        self._rejections: dict[str, ProviderError] = {}
        self._trouble: ProviderError | None = None
        self._failures = self._reconnects = self._ticks = self._dropped = 0
        self._settings_due = self._channels_due = self._publish_due = self._try_at = float("-inf")
        self._wanted_at = float("-inf")
        self._counts = Counter[str]()
        self._counts_due = clock() + timing.report
        self._paused_until: int | None = None
        self._link: Link | None = None
        self._task: asyncio.Task[End] | None = None
        self._published: StreamState | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End `run` soon. A cancellation would not be safe: a Redis client that waits may swallow it."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until stopped; then close the connection and release the lock."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._step()
                except (RedisError, OSError, DatabaseError) as error:
                    log.warning("stream delayed", provider=self._provider.name, error=type(error).__name__)
                except Exception:
                    log.exception("stream failed", provider=self._provider.name)
                    await self._disconnect()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.beat):
                        await self._stopping.wait()
        finally:
            await self._stand_down()

    # --- one step -----------------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        await self._refresh_settings()
        if not self._settings.entries:
            await self._stand_down()
            return
        if not await self._lead.acquire():
            await self._disconnect()
            return
        await self._collect()
        entry = next((entry for entry in self._settings.entries if route_of(entry) not in self._rejections), None)
        if self._link is not None and (entry is None or route_of(self._link.access) != route_of(entry)):
            await self._disconnect()
        if entry is not None:
            await self._update(entry)
        self._collect_counts()
        await self._publish(entry)

    async def _refresh_settings(self) -> None:
        now = self._clock()
        if now < self._settings_due:
            return
        self._settings_due = now + self._timing.settings
        former = {route_of(entry) for entry in self._settings.entries}
        self._settings = await _in_thread(self._read_settings, self._provider)
        routes = {route_of(entry) for entry in self._settings.entries}
        self._rejections = {route: error for route, error in self._rejections.items() if route in routes}
        if routes - former:  # earlier failures do not apply to a new route
            self._failures, self._try_at, self._channels_due = 0, float("-inf"), float("-inf")

    async def _update(self, entry: Access) -> None:
        """Connect, stay connected or disconnect, by the channels in use and the credits left."""
        now = self._clock()
        if now >= self._channels_due:
            self._channels_due = now + self._timing.channels
            most = entry.plan.stream_channels
            self._channels = await _in_thread(self._sink.channels, self._provider, self._settings.coins, most)
        if self._channels or "listings" in self._stream.brings:
            self._wanted_at = now
        if self._link is not None:
            await self._charge(self._link)
        if self._paused_until is not None and self._now_ms() >= self._paused_until:
            self._paused_until = None
        if self._paused_until is not None or now - self._wanted_at > self._timing.linger:
            await self._disconnect()
        elif self._link is None and self._wanted_at == now and now >= self._try_at:
            self._connect(entry)
        if self._link is not None:
            self._link.want(self._channels)

    async def _charge(self, link: Link) -> None:
        """Charge the messages since the last step to the month; pause when what has accrued of it is spent."""
        spent, link.millicredits = link.millicredits, 0
        if spent and (wait := await asyncio.to_thread(self._budget.charge, link.access, spent)):
            self._paused_until = self._now_ms() + round(wait * 1000) + _PAUSE_MS

    # --- connecting and reconnecting ----------------------------------------------------------------------------------

    def _connect(self, entry: Access) -> None:
        self._link = Link(
            entry,
            self._stream,
            self._sink,
            self._sieve,
            timing=self._timing,
            now_ms=self._now_ms,
            clock=self._clock,
            may_continue=lambda: self._lead.owned,
        )
        self._link.want(self._channels)
        self._task = asyncio.create_task(self._link.run(), name=f"stream {self._provider.name}")

    async def _collect(self) -> None:
        """Handle the end of the connection, if it has ended, and schedule the next attempt."""
        if self._task is None or self._link is None or not self._task.done():
            return
        self._collect_counts()
        await self._charge(self._link)
        link, task, self._link, self._task = self._link, self._task, None, None
        end = self._end_of(task)
        self._reconnects += 1
        self._trouble = end.error
        wait = self._wait(end)
        self._try_at = self._clock() + wait
        if end.error is not None and end.error.permanent:
            self._rejections[route_of(link.access)] = end.error
            self._failures, self._try_at = 0, float("-inf")
        await self._log_end(link.access, end.error, wait)

    def _end_of(self, task: asyncio.Task[End]) -> End:
        """How the connection ended. An exception of our own code is logged with its traceback, and retried as well."""
        exception = task.exception()
        if exception is None:
            return task.result()
        if isinstance(exception, RedisError | OSError | DatabaseError):
            return End(Unavailable(f"the data could not be stored: {type(exception).__name__}"))
        log.error("stream failed", provider=self._provider.name, exc_info=exception)
        return End(Unavailable("internal error of the gateway; see its log"))

    def _wait(self, end: End) -> float:
        """Seconds before the next attempt."""
        self._failures = 0 if end.settled else self._failures
        if end.within is not None:
            return self._jitter() * min(end.within, self._stream.first_pause)
        self._failures += 1
        wait = backoff(self._failures, self._stream, self._jitter())
        if end.error is not None and end.error.retry_after is not None:
            return max(wait, end.error.retry_after * (1 + self._jitter() / 10))
        return max(wait, _LIMITED_SECONDS) if isinstance(end.error, RateLimited) else wait

    async def _log_end(self, entry: Access, error: ProviderError | None, wait: float) -> None:
        """Log the end of a connection; record an error for the admin."""
        name = self._provider.name
        if error is None:
            log.info("stream ended", provider=name, retry_in=round(wait, 1))
            return
        next_try = {"until": "key, plan or address change"} if error.permanent else {"retry_in": round(wait, 1)}
        event = "stream rejected" if error.permanent else "stream lost"
        log.warning(event, provider=name, outcome=error.code, error=error.message, **next_try)
        await self._note(entry, error.code, error.message)

    async def _note(self, entry: Access, code: str, message: str) -> None:
        """Record the outcome of a connection beside those of fetches."""
        took = self._link.took_ms if self._link is not None else 0
        subject = {"at": self._now_ms(), "dataset": "stream", "provider": self._provider.name}
        outcome = {"outcome": code, "message": message, "calls": 1, "ms": took}
        await asyncio.to_thread(self._budget.note, entry, subject | outcome)

    async def _disconnect(self) -> None:
        """Close the connection, if there is one, without an error."""
        link, task = self._link, self._task
        if task is None or link is None:
            return
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=self._timing.close + 1)
        self._collect_counts()
        self._link = self._task = None
        await self._charge(link)

    async def _stand_down(self) -> None:
        """Disconnect, release the lock and remove the state."""
        await self._disconnect()
        await self._lead.release()
        if self._published is not None:
            self._published = None
            try:
                await stream_state.publish(self._redis, self._provider.name, None)
            except (RedisError, OSError):
                return  # it expires

    # --- the published state ------------------------------------------------------------------------------------------

    def _collect_counts(self) -> None:
        counts = self._sieve.counts + (self._link.counts if self._link is not None else Counter())
        self._sieve.counts.clear()
        if self._link is not None:
            self._link.counts.clear()
        self._ticks += counts.pop("data", 0)
        self._dropped += counts["dropped"]
        self._counts.update(counts)

    async def _publish(self, entry: Access | None) -> None:
        """Store the state in Redis; log a change of it, and once a minute the counts of irregular messages."""
        now, state = self._clock(), self._state(entry)
        changed = self._published is None or self._published.state != state.state
        if changed:
            log.info("stream", provider=self._provider.name, state=state.state, followed=state.followed)
            if state.state == "live" and entry is not None:
                await self._note(entry, "ok", "")
        if changed or now >= self._publish_due:
            self._published, self._publish_due = state, now + _PUBLISH_SECONDS
            await stream_state.publish(self._redis, self._provider.name, state)
        if now >= self._counts_due:
            self._counts_due = now + self._timing.report
            if self._counts:
                log.info("stream irregularities", provider=self._provider.name, counts=str(dict(self._counts)))
                self._counts.clear()

    def _state(self, entry: Access | None) -> StreamState:
        link = self._link
        connected = link is not None and link.since_ms is not None
        trouble = None if connected else self._trouble
        until: int | None = None
        phase: Phase = "idle"
        if entry is None:
            phase, trouble = "refused", next(iter(self._rejections.values()))
        elif self._paused_until is not None:
            phase, until = "paused", self._paused_until
        elif link is not None:
            phase = "live" if connected else "connecting"
        elif self._clock() < self._try_at:
            phase, until = "waiting", self._now_ms() + round((self._try_at - self._clock()) * 1000)
        return StreamState(
            state=phase,
            at=self._now_ms(),
            message=trouble.message if trouble else "",
            code=trouble.code if trouble else "",
            until=until,
            since=link.since_ms if link else None,
            heard=link.heard_ms if link else None,
            followed=len(link.subscribed) if link else 0,
            ticks=self._ticks,
            dropped=self._dropped,
            reconnects=self._reconnects,
            account=(entry or self._settings.entries[0]).account,
        )
