"""Connections that reconnect when their Redis answers and cannot be used, for redis-py's clients and the channel layer.
`Server` makes every client of Redis.

After a failover behind one address, open connections stay with the old server, which rejects every write, and redis-py
treats the error as an ordinary reply. Here the connection closes after such an error and reconnects for the next
command. Once a connection of this process learns that another server is the primary, all older connections reconnect
too, since those that only read, subscribe or publish get no error. So they do once a reply has not come in time: what
stands between us and the server has probably lost them all, and each would wait for its own timeout.

Where Sentinels or the nodes of a cluster know the primary, each connection asks for it while it connects
(`spot_project.redis_primary`), and accepts no replica.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as LateError

from providers.redis_trouble import refusal, wrong_server
from spot_project.redis_address import RedisAddress
from spot_project.redis_primary import NotPrimary, PrimaryFinder, TaggedKeys, key_prefix, tagged, untagged

# When a connection of this process last learned that its server is not the primary, or got no reply (time.monotonic).
_stale_since = 0.0


def note(error: ResponseError) -> bool:
    """Whether a connection must reconnect after this error. With a wrong server, all older connections must as well."""
    if wrong_server(error):
        _leave()
    return bool(refusal(error))


def _leave() -> None:
    """Let every connection of this process that exists now reconnect before its next command."""
    global _stale_since  # noqa: PLW0603 - what one connection learns concerns the whole process
    _stale_since = time.monotonic()


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
        except LateError:
            _leave()
            raise
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
        except LateError:
            _leave()
            raise
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


# --- connections to a primary that has to be found ------------------------------------------------------------------


class _Finding:
    """The sync mixin."""

    def __init__(self, *args: Any, finder: PrimaryFinder, **kwargs: Any) -> None:
        self._finder = finder
        packer = {"command_packer": TaggedKeys()} if finder.in_cluster else {}
        super().__init__(*args, **packer, **kwargs)

    def _connect(self) -> Any:
        (self.host, self.port), moved = self._finder.find()
        if moved:
            _leave()
        try:
            return super()._connect()  # type: ignore[misc]
        except OSError:
            self._finder.doubt()
            raise

    def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]
        self.send_command("ROLE", check_health=False)  # type: ignore[attr-defined]
        _check_role(self.read_response(), self._finder)  # type: ignore[attr-defined]


class FoundConnection(_Finding, Connection):
    pass


class FoundSSLConnection(_Finding, SSLConnection):
    pass


class _FindingAsync:
    """The async mixin."""

    def __init__(self, *args: Any, finder: PrimaryFinder, **kwargs: Any) -> None:
        self._finder = finder
        super().__init__(*args, **kwargs)

    def pack_command(self, *command: Any) -> list[bytes]:
        packed: list[bytes] = super().pack_command(*(tagged(command) if self._finder.in_cluster else command))  # type: ignore[misc]
        return packed

    async def _connect(self) -> None:
        (self.host, self.port), moved = await self._finder.find_soon()
        if moved:
            _leave()
        try:
            await super()._connect()  # type: ignore[misc]
        except OSError:
            self._finder.doubt()
            raise

    async def on_connect_check_health(self, *args: Any, **kwargs: Any) -> None:
        await super().on_connect_check_health(*args, **kwargs)  # type: ignore[misc]
        await self.send_command("ROLE", check_health=False)  # type: ignore[attr-defined]
        _check_role(await self.read_response(), self._finder)  # type: ignore[attr-defined]


class AsyncFoundConnection(_FindingAsync, AsyncConnection):
    pass


class AsyncFoundSSLConnection(_FindingAsync, AsyncSSLConnection):
    pass


def _check_role(role: Any, finder: PrimaryFinder) -> None:
    """Raises `NotPrimary` for a replica: whoever named the server does not know of a failover yet."""
    if role[0] not in (b"master", "master"):
        finder.doubt()
        raise NotPrimary("NotPrimary")


#: By how connections are made, and whether the primary has to be found.
SYNC: dict[tuple[str, bool], Any] = {
    ("tcp", False): Connection,
    ("tls", False): SSLConnection,
    ("unix", False): UnixConnection,
    ("tcp", True): FoundConnection,
    ("tls", True): FoundSSLConnection,
}
ASYNC: dict[tuple[str, bool], Any] = {
    ("tcp", False): AsyncConnection,
    ("tls", False): AsyncSSLConnection,
    ("unix", False): AsyncUnixConnection,
    ("tcp", True): AsyncFoundConnection,
    ("tls", True): AsyncFoundSSLConnection,
}


@dataclass(frozen=True)
class Server:
    """The Redis of this site, for all libraries that connect to it."""

    address: RedisAddress

    @cached_property
    def finder(self) -> PrimaryFinder | None:
        """What finds the primary; None where the address names it."""
        return None if self.address.topology == "single" else PrimaryFinder(self.address)

    @property
    def kind(self) -> tuple[str, bool]:
        """The key of its connections in `SYNC` and `ASYNC`."""
        return self.address.kind, self.finder is not None

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of a connection."""
        found = {} if self.finder is None else {"finder": self.finder}
        return {**self.address.options, **found}

    @property
    def key_prefix(self) -> str:
        """What the keys begin with in this Redis; commands may always say `spot:`."""
        return key_prefix(self.address)

    @property
    def async_pool(self) -> dict[str, Any]:
        """Keyword arguments of an async pool and of a host of the channel layer."""
        return {"connection_class": ASYNC[self.kind], **self.options}

    @property
    def timeout(self) -> int:
        """Timeout of a reply, in seconds."""
        return int(self.address.options["socket_timeout"])

    def client(self, **options: Any) -> redis.Redis:
        """A client with a pool of its own; `options` are a connection's."""
        pool = redis.ConnectionPool(connection_class=SYNC[self.kind], **{**self.options, **options})
        return self._listing(redis.Redis.from_pool(pool))

    def async_client(self) -> redis.asyncio.Redis:
        """A client of an event loop with a single connection."""
        pool = redis.asyncio.ConnectionPool(**self.async_pool)
        return self._listing(redis.asyncio.Redis(connection_pool=pool, single_connection_client=True))

    def async_blocking_client(self, connections: int, wait_s: float) -> redis.asyncio.Redis:
        """A client of an event loop whose callers wait for one of a number of connections."""
        pool = redis.asyncio.BlockingConnectionPool(max_connections=connections, timeout=wait_s, **self.async_pool)
        return self._listing(redis.asyncio.Redis.from_pool(pool))

    def _listing(self, client: Any) -> Any:
        """The client, which lists keys by the names that commands use."""
        if self.address.topology == "cluster":
            client.set_response_callback("SCAN", lambda answer, **_: (int(answer[0]), untagged(answer[1])))
        return client
