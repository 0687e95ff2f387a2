"""Connections that leave a Redis which answers and is of no use, for redis-py's clients and the channel layer.

After a failover behind one address the open connections stay with the old server, which refuses every write. redis-py
takes such a refusal for an answer like others. Here the connection is closed after it and made anew for the next
command; and once any connection of this process was told that another server is the primary now, every one that was
made before is left in the same way, also those that only read, subscribe or publish and so are never refused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import ResponseError

from providers.redis_trouble import refusal, wrong_server
from spot_project.redis_address import RedisAddress

# When a connection of this process was last told that it is not with the primary (time.monotonic).
_left_at = 0.0


def note(error: ResponseError) -> bool:
    """Whether a connection must be given up after this answer; all older ones too when the server is the wrong one."""
    global _left_at  # noqa: PLW0603 - what one connection learns holds for the whole process
    if wrong_server(error):
        _left_at = time.monotonic()
    return bool(refusal(error))


class _Leaving:
    """The sync half: mixed into redis-py's connections."""

    made_at = 0.0

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        self.made_at = time.monotonic()
        super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if 0 < self.made_at <= _left_at:
            self.disconnect()  # type: ignore[attr-defined]
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if note(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


class Connection(_Leaving, redis.Connection):
    pass


class SSLConnection(_Leaving, redis.SSLConnection):
    pass


class UnixConnection(_Leaving, redis.UnixDomainSocketConnection):
    pass


class _LeavingAsync:
    """The async half."""

    made_at = 0.0

    async def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        self.made_at = time.monotonic()
        await super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if 0 < self.made_at <= _left_at:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
        await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if note(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


class AsyncConnection(_LeavingAsync, redis.asyncio.Connection):
    pass


class AsyncSSLConnection(_LeavingAsync, redis.asyncio.SSLConnection):
    pass


class AsyncUnixConnection(_LeavingAsync, redis.asyncio.UnixDomainSocketConnection):
    pass


SYNC = {"tcp": Connection, "tls": SSLConnection, "unix": UnixConnection}
ASYNC = {"tcp": AsyncConnection, "tls": AsyncSSLConnection, "unix": AsyncUnixConnection}


@dataclass(frozen=True)
class Server:
    """The Redis of this site, for whichever library connects to it."""

    address: RedisAddress

    @property
    def async_pool(self) -> dict[str, Any]:
        """Keyword arguments of an async pool, which are those of a host of the channel layer."""
        return {"connection_class": ASYNC[self.address.kind], **self.address.options}

    @property
    def timeout(self) -> int:
        """Seconds that an answer may take."""
        return int(self.address.options["socket_timeout"])

    def client(self, **options: Any) -> redis.Redis:
        """A client with a pool of its own; `options` are a connection's."""
        pool = redis.ConnectionPool(connection_class=SYNC[self.address.kind], **{**self.address.options, **options})
        return redis.Redis.from_pool(pool)

    def async_client(self) -> redis.asyncio.Redis:
        """A client of an event loop that keeps to one connection."""
        pool = redis.asyncio.ConnectionPool(**self.async_pool)
        return redis.asyncio.Redis(connection_pool=pool, single_connection_client=True)

    def async_blocking_client(self, connections: int, wait_s: float) -> redis.asyncio.Redis:
        """A client of an event loop whose callers wait for one of so many connections."""
        pool = redis.asyncio.BlockingConnectionPool(max_connections=connections, timeout=wait_s, **self.async_pool)
        return redis.asyncio.Redis.from_pool(pool)
