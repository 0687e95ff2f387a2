"""The web process: a listening socket of our own, and the server that answers on it.

The socket is ours so that options which no server offers hold for every connection: a peer that takes no bytes for 30 s
is dropped by the kernel, no peer can make the kernel hold more than a quarter of a megabyte for it, and of that no more
than 64 KB before it can be sent.
"""

import contextlib
import errno
import gc
import http.client
import json
import os
import resource
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from spot_project import hosts

SEND_BUFFER_BYTES = 262_144
#: The kernel takes no more of what it cannot send yet, so that a slow line gets the newest page next.
UNSENT_BYTES = 65_536
UNACKNOWLEDGED_MS = 30_000
BACKLOG = 4096
INBOUND_BYTES = 65_536  # the largest WebSocket message that is read
PING_SECONDS = 20
GRACE_SECONDS = 3  # for answers in flight when the process is asked to end
#: A process that is asked to leave has a successor already. It finishes what it has: answers in flight get this long,
LEAVE_SECONDS = 30
#: idle connections are left to time out by themselves for so long, so that no request meets a close on its way,
IDLE_SECONDS = 5.5
#: and its sockets stay until the other processes know that they will go (`spot.clients.roster.Roster.end`).
HANDOVER_SECONDS = 1.2
LEAVE = signal.SIGUSR1
HEAD_SECONDS = 10  # to send a request's line and headers
BODY_BYTES = 1_048_576  # forms of the admin; nothing else posts
BODY_SECONDS = 30  # and its body
ANSWER_SECONDS = 60  # to take an answer that has been written
SERVERS = ("uvicorn", "daphne")
REACHED_BY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  an address to connect to, for wildcards
#: The ASGI extension by which a server tells that the peer has taken what was sent: `{"then": function}` calls the
#: function that it is given, at once or later.
TAKEN = "spot.taken"
#: The ASGI extension by which a WebSocket's application is told that the process ends: `{"wanted": False}`, which it
#: sets to True, and then is sent the event `{"type": DRAIN, "seconds": after so many it is to close}`. The number is
#: another for each socket, so that not all clients come back in the same moment.
DRAIN = "spot.drain"
DRAIN_SECONDS, _DRAINED_EACH = 1.5, 0.01

#: The ASGI extension by which a WebSocket's application changes, before it accepts, the seconds between two pings and
#: those until the answer to one must have come: `{"ping": PING_SECONDS, "pong": PING_SECONDS}`. Daphne has one time for
#: all answers.
KEEPALIVE = "spot.keepalive"

#: Which of several web processes this is, from 1; 0: the only one.
number = 0
#: Set once this process has been asked to end: it answers what it has and wants nothing new.
draining = threading.Event()
#: Set besides where it has been asked to leave.
leaving = threading.Event()
#: Called once `draining` is set.
when_draining: list[Callable[[], None]] = []


class CannotServe(Exception):
    """The web process cannot start; the message says why and what to do, for the operator."""


def drain_delays(count: int) -> list[float]:
    """After how many seconds each of so many sockets is to close."""
    spread = min(DRAIN_SECONDS, count * _DRAINED_EACH)
    return [spread * place / count for place in range(1, count + 1)]


def begin_draining() -> None:
    """Note that this process has been asked to end."""
    if not draining.is_set():
        draining.set()
        for callback in when_draining:
            callback()


def grace_seconds() -> int:
    """How long answers in flight may take now that the process ends."""
    return LEAVE_SECONDS if leaving.is_set() else GRACE_SECONDS


def _on_leave(_number: int, _frame: FrameType | None) -> None:
    leaving.set()
    os.kill(os.getpid(), signal.SIGTERM)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine and nothing else."""
    return hosts.is_loopback(host)


def listen(host: str, port: int) -> socket.socket:
    """A bound and listening socket whose options the accepted connections inherit.

    Raises CannotServe with one sentence when the address cannot be had.
    """
    listener = bound(host, port)
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotServe(_why_not(error, host, port)) from error
    return listener


def bound(host: str, port: int) -> socket.socket:
    """The socket before it listens: nobody can connect yet. Raises CannotServe as `listen`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotServe(f"SPOT_BIND={host} is not an address of this machine.") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux, macOS
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise CannotServe(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Stop it, or choose another port: PORT={port + 1} make run"
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}. Choose one above 1023: PORT=8000 make run"
    return f"Cannot listen on {host} port {port} (SPOT_BIND, PORT): {error.strerror}."


def is_served(host: str, port: int) -> bool:
    """Whether a web process of Spot answers on the port."""
    client = http.client.HTTPConnection(REACHED_BY.get(host, host), port, timeout=2)
    try:
        client.request("GET", "/healthz")
        answer = client.getresponse()
        return answer.status == 200 and json.loads(answer.read(1000)) == {"status": "ok"}
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        client.close()


def file_limit() -> int:
    """How many files a web process may open, after `raise_file_limit`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)


def raise_file_limit() -> None:
    """Let this process open as many files as it may: a socket is a file, and the usual limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = file_limit()
    if soft != resource.RLIM_INFINITY and soft < wished:
        with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit besides, and does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))


def asgi_application(path: str, trusted_proxies: list[str]) -> Any:
    """The ASGI application at a dotted path, told the client's address and scheme by the proxies that are trusted."""
    module, _, name = path.rpartition(".")
    application = getattr(import_module(module), name)
    return ProxyHeadersMiddleware(application, trusted_hosts=trusted_proxies) if trusted_proxies else application


def calm_garbage_collector() -> None:
    """Collect rarely, and never look at what was there before the first connection.

    Sockets are freed by reference counts; with the usual thresholds, thousands of connections that come at once have
    every object of the process walked again and again (connecting 5,000: 4.4 s, and 3.2 s so).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)


async def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Steps:
    """Steps of a server's start: `prepare` is awaited before the first connection is accepted, `ready` called after."""

    prepare: Callable[[], Awaitable[None]] = _nothing
    ready: Callable[[], None] = lambda: None


def serve(server: str, application: Any, listener: socket.socket, steps: Steps = Steps()) -> None:
    """Answer on the listening socket with one of SERVERS until SIGTERM, SIGINT or LEAVE."""
    if server not in SERVERS:
        raise CannotServe(f"SPOT_SERVER={server} is unknown. Use {' or '.join(SERVERS)}.")
    signal.signal(LEAVE, _on_leave)
    calm_garbage_collector()
    # Imported only now: the one installs Twisted's reactor, the other brings uvloop.
    import_module(f"spot.server.{server}").run(application, listener, steps)
