"""A webhook's target on loopback: it notes what it gets, and misbehaves as scripted."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_CHUNK = b"x" * 65_536


@dataclass(frozen=True)
class Request:
    """A request as it arrived; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class Target:
    """Answers each connection by the next of `script` (the last stays): a status such as "200" or "302 http://…", or
    one of hang, drip, huge, huge redirect, reset, silent close."""

    def __init__(self, *script: str, tls: ssl.SSLContext | None = None) -> None:
        self.script = list(script) or ["200"]
        self.requests: list[Request] = []
        self.sent = 0  # bytes of bodies
        self.arrived = threading.Semaphore(0)
        self._ending = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/hook?secret=path"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._answer, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.settimeout(10)
            with connection:
                self.requests.append(_read(connection))
                step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                self.arrived.release()
                _FAULTS.get(step, _status)(self, connection, step)

    def wait(self) -> None:
        """Wait at most until the target ends."""
        self._ending.wait(30)

    def send(self, connection: socket.socket, data: bytes) -> None:
        """Send a part of a body; raises `OSError` when the target ends."""
        if self._ending.is_set():
            raise OSError("ending")
        connection.sendall(data)
        self.sent += len(data)


def _read(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, body = data.split(b"\r\n\r\n", 1)
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return Request(line, headers, body)


def _status(_target: Target, connection: socket.socket, step: str) -> None:
    status, _, location = step.partition(" ")
    more = f"Location: {location}\r\n" if location else ""
    connection.sendall(f"HTTP/1.1 {status} Word\r\n{more}Content-Length: 2\r\n\r\nok".encode())


def _hang(target: Target, _connection: socket.socket, _step: str) -> None:
    target.wait()


def _drip(target: Target, connection: socket.socket, _step: str) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: yes\r\n" * 1000:
        target.send(connection, bytes([byte]))
        target._ending.wait(0.02)


def _huge(target: Target, connection: socket.socket, step: str) -> None:
    status = "302 Found\r\nLocation: /elsewhere" if "redirect" in step else "200 OK"
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {1 << 30}\r\n\r\n".encode())
    for _ in range((1 << 30) // len(_CHUNK)):
        target.send(connection, _CHUNK)


def _reset(_target: Target, connection: socket.socket, _step: str) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close(_target: Target, connection: socket.socket, _step: str) -> None:
    connection.shutdown(socket.SHUT_WR)


_FAULTS: dict[str, Callable[[Target, socket.socket, str], None]] = {
    "hang": _hang,
    "drip": _drip,
    "huge": _huge,
    "huge redirect": _huge,
    "reset": _reset,
    "silent close": _close,
}
