"""HTTP connections with a deadline for the whole response, headers included, and to given addresses.

A read timeout applies between two bytes, so an upstream that sends single bytes could block a worker for ever. Here the
timeout of each read is at most the time left until the deadline.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

#: Seconds left of the request that is being sent.
_left: ContextVar[Callable[[], float]] = ContextVar("left")


@contextmanager
def until(deadline: float, clock: Callable[[], float]) -> Iterator[None]:
    """Set the deadline, on `clock`, for the responses of requests sent inside."""
    token = _left.set(lambda: deadline - clock())
    try:
        yield
    finally:
        _left.reset(token)


#: The addresses to connect to, instead of those that the host's name resolves to.
_addresses: ContextVar[Sequence[str]] = ContextVar("addresses")


@contextmanager
def connecting_to(addresses: Sequence[str]) -> Iterator[None]:
    """Connect requests sent inside to one of these addresses. Certificates are still checked by the host's name."""
    token = _addresses.set(addresses)
    try:
        yield
    finally:
        _addresses.reset(token)


class _Reads(io.RawIOBase):
    """Reads of a socket within the time left. Raises `TimeoutError` when the deadline has passed."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock, self._left, self._usual = sock, left, sock.gettimeout()
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._left()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._sock.settimeout(left if self._usual is None else min(left, self._usual))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        if left := _left.get(None):
            self.fp.close()
            self.fp = io.BufferedReader(_Reads(sock, left))


class _Addressed(HTTPConnection):
    """A connection to the first of the given addresses that accepts it before the deadline."""

    def _new_conn(self) -> socket.socket:
        addresses = _addresses.get(())
        if not addresses:
            return super()._new_conn()
        host, left = self._dns_host, _left.get(lambda: math.inf)
        try:
            for address in addresses[:-1]:
                self._dns_host = address
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
                if left() <= 0:
                    raise ConnectTimeoutError(self, "the deadline has passed")
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = host


class _DeadlineConnection(_Addressed):
    response_class = _Response


class _SecureDeadlineConnection(_Addressed, HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureDeadlineConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class Adapter(HTTPAdapter):
    """An adapter of `requests` with these connections, through proxies too."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
