"""HTTP connections with a deadline for the whole response, headers included.

A read timeout applies between two bytes, so an upstream that sends single bytes could block a worker for ever. Here the
timeout of each read is at most the time left until the deadline.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

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


class _DeadlineConnection(HTTPConnection):
    response_class = _Response


class _SecureDeadlineConnection(HTTPSConnection):
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
