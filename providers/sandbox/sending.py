"""Writes a reply to the socket, correctly or with one of the faults of sending."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from http.client import responses
from threading import Event

from providers.sandbox.reply import JSON, Options, Reply

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """The connection of a reply; `stopping` is set when the sandbox stops."""

    socket: socket.socket
    stopping: Event

    def send(self, data: bytes) -> None:
        """Write it all."""
        self.socket.sendall(data)


def head(reply: Reply, length: int | None, keep: bool, extra: dict[str, str] | None = None) -> bytes:
    """Status line and headers; without Content-Length when `length` is None."""
    lines = [f"HTTP/1.1 {reply.status} {responses.get(reply.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in {**reply.headers, **(extra or {})}.items()]
    lines += [] if length is None else [f"Content-Length: {length}"]
    lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def send(line: Line, reply: Reply, *, zipped: bool = False, keep: bool = True) -> None:
    """Send a reply correctly, compressed if possible and accepted."""
    body = reply.zipped if zipped and reply.zipped is not None else reply.body
    if reply.status == 304:
        line.send(head(reply, None, keep))
        return
    extra = {"Content-Encoding": "gzip"} if body is not reply.body else None
    line.send(head(reply, len(body), keep, extra) + body)


# --- faults of sending; the connection is closed after each -----------------------------------------------------------
def _hang(line: Line, reply: Reply, options: Options) -> None:
    """Send nothing, or nothing after the headers, and keep the connection open."""
    if options["headers"]:
        line.send(head(reply, len(reply.body), keep=False))
    line.stopping.wait(options["seconds"])


def _drip(line: Line, reply: Reply, options: Options) -> None:
    """Send a few bytes at a time, which a timeout between two reads does not detect."""
    data, size = head(reply, len(reply.body), keep=False) + reply.body, options["bytes"]
    for start in range(0, len(data), size):
        line.send(data[start : start + size])
        if line.stopping.wait(options["seconds"]):
            return


def _truncated(line: Line, reply: Reply, options: Options) -> None:
    """Announce the whole body, send a part of it, and disconnect."""
    line.send(head(reply, len(reply.body), keep=False) + reply.body[: int(len(reply.body) * options["part"])])


def _wrong_length(line: Line, reply: Reply, options: Options) -> None:
    """Send a Content-Length that is wrong by a number of bytes."""
    line.send(head(reply, max(0, len(reply.body) + options["by"]), keep=False) + reply.body)


def _disconnect(line: Line, _reply: Reply, _options: Options) -> None:
    """Reset the connection."""
    line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.socket.close()


def _oversize(line: Line, _reply: Reply, options: Options) -> None:
    """A JSON body of that many bytes; chunked, without a Content-Length, unless `announced`."""
    size, announced = options["bytes"], options["announced"]
    headers = {"Content-Type": JSON} | ({} if announced else {"Transfer-Encoding": "chunked"})
    line.send(head(Reply(200, headers, b""), size if announced else None, keep=False))
    for start in range(0, size, _MEBIBYTE):
        piece = (b"[" if start == 0 else b" ") + b" " * (min(_MEBIBYTE, size - start) - 1)
        if line.stopping.is_set():
            return
        line.send(piece if announced else b"%x\r\n%b\r\n" % (len(piece), piece))
    line.send(b"" if announced else b"0\r\n\r\n")


def _gzip_bomb(line: Line, _reply: Reply, options: Options) -> None:
    """A small body that decompresses to that many bytes: concatenated gzip members are one valid stream."""
    member = gzip.compress(b" " * _MEBIBYTE, 9)
    body = gzip.compress(b"[", 9) + member * (options["bytes"] // _MEBIBYTE)
    line.send(head(Reply(200, {"Content-Type": JSON, "Content-Encoding": "gzip"}, b""), len(body), keep=False) + body)


#: Fault kinds of sending: options with their defaults, and the function.
SENDERS: dict[str, tuple[Options, Callable[[Line, Reply, Options], None]]] = {
    "hang": ({"seconds": 600.0, "headers": False}, _hang),
    "drip": ({"bytes": 64, "seconds": 0.2}, _drip),
    "truncated": ({"part": 0.5}, _truncated),
    "wrong_length": ({"by": -10}, _wrong_length),
    "disconnect": ({}, _disconnect),
    "oversize": ({"bytes": 64 * _MEBIBYTE, "announced": False}, _oversize),
    "gzip_bomb": ({"bytes": 256 * _MEBIBYTE}, _gzip_bomb),
}
