"""A stand-in upstream over a loopback socket, scripted answer by answer, that keeps every request it gets."""

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import providers
from providers import identity
from providers.access import Access
from providers.vault import Secret

KEY = "CG-canary-9f8e7d6c5b4a3210"
#: Without a folder of recordings there is nothing for these to read.
collect_ignore = [] if os.environ.get("SPOT_SAMPLES") else ["test_recordings.py"]
SAMPLES = Path(__file__).parent.parent / "samples" / "coingecko"


@dataclass
class Reply:
    """One answer: a JSON value or raw bytes, and how to misbehave while sending it."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    type: str = "application/json; charset=utf-8"
    length: int | None = None  # a Content-Length that is not true
    drip: float = 0.0  # seconds between two bytes
    slow_head: bool = False  # the headers drip, not the body
    hang: bool = False  # never answer
    gzip: bool = False

    def content(self) -> bytes:
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return gzip.compress(raw) if self.gzip else raw


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Upstream:
    """`replies` maps a path below /api/v3 to what it answers: one Reply, or a list of them, the last of which stays.
    A callable is asked with the query."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply | list[Reply] | Callable[[dict[str, str]], Reply]] = {}
        self.asked: list[Asked] = []
        self.let_go = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/v3"

    @property
    def paths(self) -> list[str]:
        return [asked.path.removeprefix("/api/v3") for asked in self.asked]

    def stop(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()  # joins the threads of requests too
        self._thread.join()

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            reply = self.replies.get(asked.path.removeprefix("/api/v3"), Reply({"error": "no such page"}, 404))
            if isinstance(reply, list):
                return reply.pop(0) if len(reply) > 1 else reply[0]
        return reply(asked.query) if callable(reply) else reply

    def _handler(upstream) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                reply = upstream.answer(Asked(parts.path, query, {k.lower(): v for k, v in self.headers.items()}))
                with suppress(OSError):  # the client may have had enough
                    self._send(reply)
                self.close_connection = True

            def _send(self, reply: Reply) -> None:
                if reply.hang:
                    upstream.let_go.wait(30)
                    return
                content = reply.content()
                self.send_response(reply.status)
                encoding = {"content-encoding": "gzip"} if reply.gzip else {}
                length = len(content) if reply.length is None else reply.length
                headers = {
                    "content-type": reply.type,
                    "content-length": str(length),
                    "connection": "close",
                    **encoding,
                    **reply.headers,
                }
                for name, value in headers.items():
                    self.send_header(name, value)
                if reply.slow_head:
                    self._drip(b"x-filling: " + b"x" * 10_000, reply.drip)
                self.end_headers()
                if not reply.drip:
                    self.wfile.write(content)
                    return
                self._drip(content, reply.drip)

            def _drip(self, content: bytes, seconds: float) -> None:
                self.flush_headers()
                for byte in content:
                    if upstream.let_go.wait(seconds):
                        return
                    self.wfile.write(bytes([byte]))

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@dataclass
class Clock:
    """A clock in epoch ms that moves only when told to."""

    ms: int = 1_790_000_000_000

    def __call__(self) -> int:
        return self.ms

    def forward(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def access_to(url: str, *, plan: str = "keyless", key: str = "", per_minute: int = 0, per_month: int = 0) -> Access:
    """An access made by hand, without a database."""
    provider = providers.get("coingecko")
    tariff = provider.plan(plan)
    return Access(provider, tariff, url, Secret(key), per_minute, per_month)


def coin(coin_id: str, **changes: Any) -> dict[str, Any]:
    """A row of /coins/markets with every field, like Bitcoin's."""
    row = json.loads((SAMPLES / "markets.json").read_text())["answers"][0]["body"][0]
    return {**row, "id": coin_id, **changes}


def page_of(first: int, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Coins `coin-<first>`… by falling market cap."""
    return [
        coin(f"coin-{n}", symbol=f"c{n}", name=f"Coin {n}", market_cap=10_000_000 - n, market_cap_rank=n, **changes)
        for n in range(first, first + count)
    ]


@pytest.fixture(autouse=True)
def fresh_translations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that one test's table of coins translated are not remembered in the next."""
    monkeypatch.setattr(identity, "_dictionary", identity.Dictionary())
