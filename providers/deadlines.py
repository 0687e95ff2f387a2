"""Connections on which no read outlasts the deadline of its request, not even that of headers that drip in.

A read timeout is between two bytes, so an upstream that sends one now and then could hold a worker for ever. Here each
single read has the smaller of that timeout and what is left until the deadline.
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
    """Answers to what is sent meanwhile, headers and bodies, are read until `clock()` is at `deadline`."""
    token = _left.set(lambda: deadline - clock())
    try:
        yield
    finally:
        _left.reset(token)


class _Reads(io.RawIOBase):
    """What comes in from a socket, each read with as much time as is left. TimeoutError when there is none."""

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


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class Adapter(HTTPAdapter):
    """Mounted into a `requests` session, makes its connections such ones, through a proxy too."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
