"""The streams' state in Redis: the leading process, the state of each stream, and counts of implausible ticks.

Keys, all below `spot:stream:`; NAME is a provider:

===============================  ==============================================================================
`lead:NAME`                      the token of the process that has the connection; expires
`state:NAME`                     the state of that stream (JSON), while a process leads it
`seen`                           when a stream process was last alive, epoch ms
`disputed:NAME`                  hash: coin -> ticks too far from the price shown; expires a week after the last
`absurd:NAME`                    hash: coin -> impossible ticks; expires a week after the last
`write-check`                    no meaning: written to see whether Redis accepts writes
===============================  ==============================================================================
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import redis
import redis.asyncio
from redis.asyncio.lock import Lock
from redis.exceptions import LockError, RedisError

from providers.redis_trouble import why
from providers.stored import record_of

Phase = Literal["connecting", "live", "idle", "waiting", "paused", "refused"]
Count = Literal["disputed", "absurd"]
#: A state expires when its process has not renewed it for this long.
_STATE_SECONDS = 30
_WEEK_SECONDS = 7 * 86_400
#: Timeout of a Redis call about the lock.
_TIMEOUT_SECONDS = 3.0
_SEEN = "spot:stream:seen"


@dataclass(frozen=True, slots=True)
class StreamState:
    """The state of a stream; times are epoch ms.

    `connecting`; `live`: connected and subscribed; `idle`: nobody needs its data, so there is no connection;
    `waiting`: for the next attempt, at `until`; `paused`: the month's credits accrued so far are spent, `until` more
    have; `refused`: the provider rejected us for the reason in `message`, and there is no attempt until key, plan or
    address change. `heard`: the last message; `ticks`: data since this process leads; `followed`: channels subscribed.
    """

    state: Phase
    at: int
    message: str = ""
    code: str = ""
    until: int | None = None
    since: int | None = None
    heard: int | None = None
    followed: int = 0
    ticks: int = 0
    dropped: int = 0
    reconnects: int = 0
    account: str = ""


class Lead:
    """The lock of the one process that has the connection. It expires after `seconds` without renewal."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        name: str,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = Lock(client, f"spot:stream:lead:{name}", timeout=seconds, thread_local=False)
        self._seconds, self._clock = seconds, clock
        self._token = secrets.token_hex(8).encode()
        self._expires = self._renewal_due = 0.0

    @property
    def owned(self) -> bool:
        """Whether this process has the lock: no other can acquire it before it expires."""
        return self._clock() < self._expires

    async def acquire(self) -> bool:
        """Acquire the lock or renew it; call this about once a second. While Redis is unreachable the lock is ours
        until it expires."""
        now = self._clock()
        if now < self._renewal_due:
            return self.owned
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                acquired = await self._renew() or await self._lock.acquire(blocking=False, token=self._token)
        except (RedisError, OSError):  # a timeout is an OSError
            return self.owned
        self._expires = now + self._seconds if acquired else 0.0
        self._renewal_due = now + self._seconds / 3 if acquired else 0.0
        return acquired

    async def _renew(self) -> bool:
        self._lock.local.token = self._token  # also where Redis acquired the lock and its reply was lost
        try:
            return await self._lock.reacquire()
        except LockError:  # never acquired, or expired
            return False

    async def release(self) -> None:
        """Release the lock, so that another process can take over at once."""
        if self._expires:
            self._expires = self._renewal_due = 0.0
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self._lock.release()
            except (RedisError, OSError):
                return  # it has expired, or will


async def publish(client: redis.asyncio.Redis, name: str, state: StreamState | None) -> None:
    """Store the state of a provider's stream; None removes it."""
    if state is None:
        await client.delete(f"spot:stream:state:{name}")
    else:
        await client.set(f"spot:stream:state:{name}", json.dumps(asdict(state)), ex=_STATE_SECONDS)


def read(client: redis.Redis, name: str) -> StreamState | None:
    """The state of a provider's stream; None when no process leads it: no key, switched off, or no stream process."""
    raw = client.get(f"spot:stream:state:{name}")
    return None if raw is None else record_of(StreamState, json.loads(raw))


async def mark(client: redis.asyncio.Redis, now_ms: int) -> None:
    """Note that a stream process is alive."""
    await client.set(_SEEN, now_ms, ex=86_400)


def seen_ms(client: redis.Redis) -> int | None:
    """When a stream process was last alive; None when none was for a day."""
    raw: Any = client.get(_SEEN)
    return None if raw is None else int(raw)


def count(client: redis.Redis, what: Count, name: str, coins: Mapping[str, int]) -> None:
    """Add to a provider's counts of implausible ticks, by coin."""
    key = f"spot:stream:{what}:{name}"
    with client.pipeline(transaction=False) as pipe:
        for coin, times in coins.items():
            pipe.hincrby(key, coin, times)
        pipe.expire(key, _WEEK_SECONDS)
        pipe.execute()


def counts(client: redis.Redis, what: Count, name: str) -> dict[str, int]:
    """A provider's counts of implausible ticks by coin, the highest first."""
    raw: Any = client.hgetall(f"spot:stream:{what}:{name}")
    numbers = {coin.decode(): int(times) for coin, times in raw.items()}
    return dict(sorted(numbers.items(), key=lambda item: (-item[1], item[0])))


def store_trouble(client: redis.Redis) -> str:
    """Why Redis cannot be used, as a sentence; "" when it can. Some Redis answer and refuse writes."""
    try:
        client.set("spot:stream:write-check", 1, ex=60)
    except RedisError as error:
        return why(error)
    return ""
