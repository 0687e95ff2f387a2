"""Connections that reconnect when their Redis answers and cannot be used, for redis-py's clients and the channel layer.

After a failover behind one address, open connections stay with the old server, which rejects every write, and redis-py
treats the error as an ordinary reply. Here the connection closes after such an error and reconnects for the next
command. Once a connection of this process learns that another server is the primary, all older connections reconnect
too, since those that only read, subscribe or publish get no error.
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

# When a connection of this process last learned that its server is not the primary (time.monotonic).
_stale_since = 0.0


def note(error: ResponseError) -> bool:
    """Whether a connection must reconnect after this error. With a wrong server, all older connections must as well."""
    global _stale_since  # noqa: PLW0603 - one connection's error concerns the whole process
    if wrong_server(error):
        _stale_since = time.monotonic()
    return bool(refusal(error))


class _Reconnecting:
    """The sync mixin for redis-py's connections."""

    made_at = 0.0

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        self.made_at = time.monotonic()
        super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if 0 < self.made_at <= _stale_since:
            self.disconnect()  # type: ignore[attr-defined]
        super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if note(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


class Connection(_Reconnecting, redis.Connection):
    pass


class SSLConnection(_Reconnecting, redis.SSLConnection):
    pass


class UnixConnection(_Reconnecting, redis.UnixDomainSocketConnection):
    pass


class _ReconnectingAsync:
    """The async mixin."""

    made_at = 0.0

    async def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        self.made_at = time.monotonic()
        await super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if 0 < self.made_at <= _stale_since:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
        await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if note(error):
                self.mark_for_reconnect()  # type: ignore[attr-defined]
            raise


class AsyncConnection(_ReconnectingAsync, redis.asyncio.Connection):
    pass


class AsyncSSLConnection(_ReconnectingAsync, redis.asyncio.SSLConnection):
    pass


class AsyncUnixConnection(_ReconnectingAsync, redis.asyncio.UnixDomainSocketConnection):
    pass


SYNC = {"tcp": Connection, "tls": SSLConnection, "unix": UnixConnection}
ASYNC = {"tcp": AsyncConnection, "tls": AsyncSSLConnection, "unix": AsyncUnixConnection}


@dataclass(frozen=True)
class Server:
    """The Redis of this site, for all libraries that connect to it."""

    address: RedisAddress

    @property
    def async_pool(self) -> dict[str, Any]:
        """Keyword arguments of an async pool and of a host of the channel layer."""
        return {"connection_class": ASYNC[self.address.kind], **self.address.options}

    @property
    def timeout(self) -> int:
        """Timeout of a reply, in seconds."""
        return int(self.address.options["socket_timeout"])

    def client(self, **options: Any) -> redis.Redis:
        """A client with a pool of its own; `options` are a connection's."""
        pool = redis.ConnectionPool(connection_class=SYNC[self.address.kind], **{**self.address.options, **options})
        return redis.Redis.from_pool(pool)

    def async_client(self) -> redis.asyncio.Redis:
        """A client of an event loop with a single connection."""
        pool = redis.asyncio.ConnectionPool(**self.async_pool)
        return redis.asyncio.Redis(connection_pool=pool, single_connection_client=True)

    def async_blocking_client(self, connections: int, wait_s: float) -> redis.asyncio.Redis:
        """A client of an event loop whose callers wait for one of a number of connections."""
        pool = redis.asyncio.BlockingConnectionPool(max_connections=connections, timeout=wait_s, **self.async_pool)
        return redis.asyncio.Redis.from_pool(pool)
