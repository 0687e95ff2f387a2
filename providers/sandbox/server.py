"""The sandbox as an HTTP server: keep-alive, a thread for each connection, and a control API for tests elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import socket
import sys
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from providers.sandbox import control
from providers.sandbox.answers import Api, ApiCall
from providers.sandbox.clock import Clock, wall_ms
from providers.sandbox.coins import hostile, load
from providers.sandbox.errors import ApiError
from providers.sandbox.faults import Fault, Faults
from providers.sandbox.limits import Limits
from providers.sandbox.market import Market
from providers.sandbox.reply import SPOILERS, Reply
from providers.sandbox.sending import SENDERS, Line, send

ROOT = "/api/v3"
#: Replies that are kept, by the bytes of their bodies: one of 500 coins with charts has a megabyte, and is not asked
#: for again once the market has moved.
_MOST_REPLY_BYTES = 8_000_000
_MOST_REQUESTS = 2000
# Smaller bodies are not compressed.
_ZIP_FROM = 1400


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One call: path without the root, parameters, target as sent, lower-case headers, time."""

    path: str
    params: dict[str, str]
    target: str
    headers: dict[str, str]
    at: int


class Sandbox:
    """A provider on this machine with a market of its own.

    `clock` returns epoch milliseconds (default: the machine's); `sandbox.clock` can be set, advanced, stopped and run
    at another rate. Responses change every `cache_seconds`, like those of a provider with a cache. `hostile_names` puts
    markup into the names of two large coins.
    """

    def __init__(
        self,
        seed: int = 7,
        clock: Callable[[], int] = wall_ms,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        cache_seconds: int = 1,
        limits: Limits | None = None,
        hostile_names: bool = False,
    ) -> None:
        self.clock = Clock(clock)
        self.faults: Faults = Faults(self.clock.now)
        self.limits = limits or Limits()
        self.requests: deque[RequestRecord] = deque(maxlen=_MOST_REQUESTS)
        self.market = Market(seed, hostile(load()) if hostile_names else None)
        self._cache_ms = max(1, cache_seconds) * 1000
        self._api = Api(self.market)
        self._lock = threading.Lock()
        self._replies: OrderedDict[tuple[Any, ...], Reply] = OrderedDict()
        self._reply_bytes = 0
        self._address = (host, port)
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen, and serve in threads. Raises `OSError` when the address is not available."""
        self._server = _Server(self._address, self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the port and every connection, if it is running; hanging responses end."""
        server, self._server = self._server, None
        if server:
            server.end()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running")
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        """Scheme, host and port: the base of the control API."""
        host = self._address[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL of the API, without a trailing slash."""
        return self.origin + ROOT

    # --- replies ------------------------------------------------------------------------------------------------------
    def reply(self, target: str, headers: dict[str, str]) -> tuple[Reply, Fault | None]:
        """The reply to a GET of that target, and its fault, if any."""
        url = urlsplit(target)
        path = url.path.removeprefix(ROOT) if url.path.startswith(ROOT + "/") else ""
        params, now = dict(parse_qsl(url.query)), self.clock.now()
        self.requests.append(RequestRecord(path, params, target, headers, now))
        fault = self.faults.take(path, params)
        try:
            self.limits.check(headers, params, now)
            reply = self._cached(path, params, now, fault)
        except ApiError as error:
            reply = Reply.of_error(error)
        if fault and fault.kind in SPOILERS:
            reply = SPOILERS[fault.kind][1](reply, fault.options)
        return self._dated(reply, headers, now), fault

    def _cached(self, path: str, params: dict[str, str], now: int, fault: Fault | None) -> Reply:
        kind = fault.kind if fault else ""
        at = (fault.added_at if fault and kind == "frozen" else now) // self._cache_ms * self._cache_ms
        overlap = fault.options["rows"] if fault and kind == "overlap" else 0
        key = (path, tuple(sorted(params.items())), at, overlap)
        with self._lock:  # so that concurrent calls for a page compute it once
            if key not in self._replies:
                self._replies[key] = self._computed(path, ApiCall(params, at, self.limits.plan == "pro", overlap))
                self._reply_bytes += self._replies[key].weight
                while self._reply_bytes > _MOST_REPLY_BYTES and len(self._replies) > 1:
                    self._reply_bytes -= self._replies.popitem(last=False)[1].weight
            return self._replies[key]

    def _computed(self, path: str, call: ApiCall) -> Reply:
        response = self._api.answer(path, call)
        life = self._cache_ms // 1000
        caching = {"Cache-Control": f"max-age={life}, public, must-revalidate, s-maxage={life}"}
        reply = Reply.of(response.body, headers=caching | response.headers)
        etag = hashlib.md5(reply.body, usedforsecurity=False).hexdigest()
        zipped = gzip.compress(reply.body, 1, mtime=0) if len(reply.body) >= _ZIP_FROM else None
        return replace(reply, headers={**reply.headers, "ETag": f'W/"{etag}"'}, zipped=zipped)

    def _dated(self, reply: Reply, headers: dict[str, str], now: int) -> Reply:
        """The reply with the common headers; a 304 when the client has the body."""
        age = now % self._cache_ms // 1000
        common = {
            "Server": "sandbox",
            "Vary": "Accept-Encoding, Origin",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "link, per-page, total",
            "X-Request-Id": str(uuid.uuid4()),
            "x-spot-simulated": "1",
            **({"CF-Cache-Status": "HIT", "Age": str(age)} if age else {"CF-Cache-Status": "MISS"}),
        }
        etag = reply.headers.get("ETag")
        status = 304 if etag and reply.status == 200 and headers.get("if-none-match") == etag else reply.status
        return replace(reply, status=status, headers={**common, **reply.headers})


class _Server(ThreadingMixIn, TCPServer):
    """A server that records its connections, so that it can end them."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sandbox = sandbox
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection in its thread."""
        with self._lock:
            self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, unless the client disconnected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stop accepting, close every connection, and wait for their threads."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._open.items())
        for connection, _ in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed already
        for _, thread in connections:
            thread.join(timeout=2)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a call of the API or of the control API."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        sandbox, line = self.server.sandbox, Line(self.connection, self.server.stopping)
        if self.path.startswith(control.ROOT):
            self._control()
            return
        reply, fault = sandbox.reply(self.path, headers)
        if fault and fault.kind == "slow":
            self.server.stopping.wait(fault.options["seconds"])
        if fault and fault.kind in SENDERS:
            self.close_connection = True
            SENDERS[fault.kind][1](line, reply, fault.options)
            return
        send(line, reply, zipped="gzip" in headers.get("accept-encoding", ""), keep=not self.close_connection)

    def do_POST(self) -> None:
        """For the control API only."""
        self._control()

    def do_DELETE(self) -> None:
        """As POST."""
        self._control()

    def _control(self) -> None:
        """Control the sandbox; pages in browsers may not."""
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(size, 65_536))
        self.close_connection = self.close_connection or size > len(body)
        if self.headers.get("Origin"):
            reply = Reply.of({"error": "not for browsers"}, 403)
        else:
            reply = control.reply(self.server.sandbox, self.command, self.path, body)
        send(Line(self.connection, self.server.stopping), reply, keep=not self.close_connection)

    def log_message(self, *_args: Any) -> None:
        """Nothing: `Sandbox.requests` is the log."""
