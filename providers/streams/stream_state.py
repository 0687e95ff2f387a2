"""What the stream processes leave in Redis: who leads, how each stream is, and what they could not believe.

Keys, all below `spot:stream:`; NAME is a provider:

===============================  ==============================================================================
`lead:NAME`                      the token of the process that has the connection; ends by itself
`state:NAME`                     how that stream is (JSON), while a process leads it
`seen`                           when a stream process last showed a sign of life, epoch ms
`disputed:NAME`                  hash: coin -> ticks too far from the price shown; ends a week after the last
`write-check`                    nothing: that it can be written is what is asked
`absurd:NAME`                    hash: coin -> ticks that cannot be true; ends a week after the last
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

Word = Literal["connecting", "live", "idle", "waiting", "paused", "refused"]
Count = Literal["disputed", "absurd"]
#: A state that is not renewed for so long belongs to a process that is gone.
_STATE_SECONDS = 30
_WEEK_SECONDS = 7 * 86_400
#: How long Redis may take before the lock is thought of as unknown.
_PATIENCE_SECONDS = 3.0
_SEEN = "spot:stream:seen"


@dataclass(frozen=True, slots=True)
class StreamState:
    """How a stream is; times are epoch ms.

    `connecting`; `live`: connected, and something is followed; `idle`: nobody looks at what it brings, so there is no
    connection; `waiting`: for the next try, `until` then; `paused`: the month's credits accrued so far are used up,
    `until` then; `refused`: `message` says why, and nothing is tried until key, plan or address change.
    `heard`: the last message; `ticks`: data since this process has led; `followed`: coins and channels.
    """

    state: Word
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
    """The lock that makes one of several processes the one with the connection. It lives `seconds` without renewal."""

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
        self._sure_until = self._due = 0.0

    @property
    def sure(self) -> bool:
        """Whether nobody else can have it: it is ours, and was renewed lately enough."""
        return self._clock() < self._sure_until

    async def hold(self) -> bool:
        """Take or keep it; call it about once a second. While Redis is away it stays ours for the rest of its time."""
        now = self._clock()
        if now < self._due:
            return self.sure
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                ours = await self._renewed() or await self._lock.acquire(blocking=False, token=self._token)
        except (RedisError, OSError):  # a timeout is an OSError
            return self.sure
        self._sure_until = now + self._seconds if ours else 0.0
        self._due = now + self._seconds / 3 if ours else 0.0
        return ours

    async def _renewed(self) -> bool:
        self._lock.local.token = self._token  # an acquisition whose answer was lost counts too
        try:
            return await self._lock.reacquire()
        except LockError:  # never acquired, or lost
            return False

    async def release(self) -> None:
        """Let another process take over at once."""
        if self._sure_until:
            self._sure_until = self._due = 0.0
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._lock.release()
            except (RedisError, OSError):
                return  # then it has ended, or ends by itself


async def tell(client: redis.asyncio.Redis, name: str, state: StreamState | None) -> None:
    """Say how a stream is; None: there is none any more."""
    if state is None:
        await client.delete(f"spot:stream:state:{name}")
    else:
        await client.set(f"spot:stream:state:{name}", json.dumps(asdict(state)), ex=_STATE_SECONDS)


def read(client: redis.Redis, name: str) -> StreamState | None:
    """How a provider's stream is; None when no process leads it: it has no key, is switched off, or none runs."""
    raw = client.get(f"spot:stream:state:{name}")
    return None if raw is None else StreamState(**json.loads(raw))


async def mark(client: redis.asyncio.Redis, now_ms: int) -> None:
    """A sign of life of a stream process."""
    await client.set(_SEEN, now_ms, ex=86_400)


def seen_ms(client: redis.Redis) -> int | None:
    """When a stream process last showed one; None when none has for a day."""
    raw: Any = client.get(_SEEN)
    return None if raw is None else int(raw)


def count(client: redis.Redis, what: Count, name: str, coins: Mapping[str, int]) -> None:
    """Add to what could not be believed of a provider, by coin."""
    key = f"spot:stream:{what}:{name}"
    with client.pipeline(transaction=False) as pipe:
        for coin, times in coins.items():
            pipe.hincrby(key, coin, times)
        pipe.expire(key, _WEEK_SECONDS)
        pipe.execute()


def counts(client: redis.Redis, what: Count, name: str) -> dict[str, int]:
    """What could not be believed of a provider, by coin, most often first."""
    raw: Any = client.hgetall(f"spot:stream:{what}:{name}")
    found = {coin.decode(): int(times) for coin, times in raw.items()}
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def store_trouble(client: redis.Redis) -> str:
    """Why Redis cannot be used, as a sentence; "" when it can. A Redis may answer and refuse to be written."""
    try:
        client.set("spot:stream:write-check", 1, ex=60)
    except RedisError as error:
        return why(error)
    return ""
