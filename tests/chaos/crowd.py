"""Clients that look on and keep what they saw: envelope clients that come back when they are cut, and slow readers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.history import Frame

_LATENESS_SECONDS = 0.1
PATH = "/tzone_apis/services/spot/ws/"
COINS = ("bitcoin", "ethereum", "solana", "dogecoin", "cardano", "tron", "ripple")


def view_of(number: int) -> tuple[str, frozenset[str]]:
    """The view of the client with that number, and the coins that it may see (none: any). Several share each view."""
    kind = number % 4
    if kind == 0:
        return "market?envelope=1&page_size=5&sparkline=false", frozenset()
    if kind == 1:
        return "top-gainers?envelope=1&per_page=5", frozenset()
    if kind == 2:
        return "coin-heatmap?envelope=1&page_size=20", frozenset()
    first = number // 4 % (len(COINS) - 1)
    pair = COINS[first : first + 2]
    return f"ticker-tape?envelope=1&coin_ids={','.join(pair)}", frozenset(pair)


class Client:
    """One client: its frames, one list for each of its connections, and how each ended."""

    def __init__(self, number: int, view: str = "") -> None:
        self.number = number
        self.view, self.coins = (view, frozenset[str]()) if view else view_of(number)
        self.lives: list[list[Frame]] = []
        self.ends: list[float] = []
        self.closes: list[tuple[float, int]] = []
        self.refusals = 0
        self.errors: list[str] = []
        self.is_fresh = False
        self.last_fetched = self.max_age = 0.0
        #: When the last message came, the longest silence since `Crowd.listen`, the age of the newest data on arrival.
        self.heard_at = self.silence = self.lag = 0.0

    async def run(self, port: int, *, compressed: bool = True) -> None:
        """Follow the view for as long as nobody cancels it, and come back within a second when cut."""
        compression = "deflate" if compressed else None
        while True:
            try:
                async with connect(
                    f"ws://127.0.0.1:{port}{PATH}{self.view}",
                    max_size=None,
                    open_timeout=30,
                    proxy=None,
                    compression=compression,
                ) as connection:
                    await self._follow(connection)
            except (OSError, WebSocketException, TimeoutError, EOFError):
                self.refusals += 1
            await asyncio.sleep(random.uniform(0.1, 1.0))

    async def _follow(self, connection: Any) -> None:
        self.lives.append([])
        self.ends.append(float("inf"))
        try:
            while True:
                self._note(await connection.recv())
        except ConnectionClosed:
            self.closes.append((time.time(), connection.close_code or 1006))
        finally:
            self.is_fresh = False
            self.ends[-1] = time.time()

    def _note(self, text: str) -> None:
        now, life = time.time(), len(self.lives) - 1
        self.silence, self.heard_at = max(self.silence, now - self.heard_at), now
        try:
            frame = json.loads(text, parse_constant=_refuse)
        except ValueError:
            self.errors.append(f"no JSON: {text[:80]}")
            return
        last = self.lives[-1][-1] if self.lives[-1] else None
        if frame["type"] == "snapshot":
            rows = frame["data"]
            rows = rows["rows"] if isinstance(rows, dict) else rows
            self.is_fresh = not frame["stale"]
            self.last_fetched = (frame["fetched_at"] or 0) / 1e3
            self.max_age = frame["max_age_ms"] / 1e3
            until = (frame["as_of"] or frame["fetched_at"]) / 1e3 + self.max_age
            digest = hashlib.sha256(json.dumps(frame["data"]).encode()).hexdigest()[:16]
            foreign = bool(self.coins) and any(row.get("id") not in self.coins for row in rows)
            self.lag = now - self.last_fetched
            if not rows:
                self.errors.append("a frame without rows")
            self.errors += [f"a price of {row['price']!r}" for row in rows if not _possible(row)]
            self.lives[-1].append(
                Frame(
                    self.number, life, self.view, now, frame["epoch"], frame["version"], digest, frame["stale"], until,
                    foreign,
                )
            )  # fmt: skip
        elif frame["type"] == "status":
            self.is_fresh = frame["state"] == "live"
            until = last.good_until if last else float("inf")
            stale = frame["state"] != "live"
            if not stale and frame["as_of"]:  # it may precede the data that it speaks of
                until = frame["as_of"] / 1e3 + self.max_age
            self.lives[-1].append(Frame(self.number, life, self.view, now, "", 0, "", stale, until))
        elif frame["type"] == "error":
            self.errors.append(f"error {frame['code']}")


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _possible(row: Any) -> bool:
    """Whether the price of a row, if it has one, can be true."""
    price = row.get("price") if isinstance(row, dict) else None
    return price is None or (isinstance(price, int | float) and price >= 0)


class Crowd:
    """So many clients in a thread of their own, with the views of their numbers or all with one view."""

    def __init__(self, port: int, count: int, view: str = "", *, compressed: bool = True) -> None:
        self.clients = [Client(number, view) for number in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        #: The longest time (seconds) by which the clients' own thread was late, since it was last set to 0.
        self.late = 0.0
        running = (*(client.run(port, compressed=compressed) for client in self.clients), self._note_lateness())
        self._tasks = [asyncio.run_coroutine_threadsafe(one, self._loop) for one in running]

    async def _note_lateness(self) -> None:
        while True:
            due = time.monotonic() + _LATENESS_SECONDS
            await asyncio.sleep(_LATENESS_SECONDS)
            self.late = max(self.late, time.monotonic() - due)

    def fresh(self, since: float = 0.0) -> int:
        """How many clients have data that are not stale, and were fetched after a time (epoch seconds), by a clock that
        is right."""
        latest = time.time() + 2
        return sum(client.is_fresh and since <= client.last_fetched <= latest for client in self.clients)

    def served(self, since: float) -> int:
        """How many clients have data that were fetched after a time, marked or not."""
        return sum(client.last_fetched >= since for client in self.clients)

    def listen(self) -> None:
        """Measure silences from now on."""
        for client in self.clients:
            client.heard_at, client.silence = time.time(), 0.0

    def silence(self) -> float:
        """The longest time in which a client heard nothing since `listen`, in seconds."""
        return max(max(client.silence, time.time() - client.heard_at) for client in self.clients)

    def cuts(self) -> int:
        """How many connections have ended so far."""
        return sum(len(client.closes) for client in self.clients)

    def mark(self) -> list[tuple[int, int, int, int]]:
        """Where each client's history is now, for `since`."""
        return [(len(c.lives), len(c.lives[-1]) if c.lives else 0, len(c.closes), len(c.errors)) for c in self.clients]

    def since(
        self, marks: list[tuple[int, int, int, int]]
    ) -> tuple[list[list[Frame]], list[float], Counter[int], list[str]]:
        """What came after a mark: the frames of each connection, when it ended, closes by code, and errors."""
        heard, ends = [], []
        closes: Counter[int] = Counter()
        errors: list[str] = []
        now = time.time()
        for client, (lives, length, closed, wrong) in zip(self.clients, marks, strict=True):
            for life in range(max(lives - 1, 0), len(client.lives)):
                # The frame before the mark belongs to the connection: its age goes on.
                heard.append(list(client.lives[life][max(length - 1, 0) if life == lives - 1 else 0 :]))
                ends.append(min(client.ends[life], now))
            closes.update(code for _, code in client.closes[closed:])
            errors += client.errors[wrong:]
        return heard, ends, closes, errors

    def close(self) -> None:
        """End every client."""
        for task in self._tasks:
            task.cancel()

        async def settle() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(tasks, timeout=10) if tasks else None

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(settle(), self._loop).result(15)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if not self._thread.is_alive():
            self._loop.close()


def silent(port: int, feed: str = "", buffer: int = 4096, source: str = "127.0.0.1") -> socket.socket:
    """A connection that never reads; with a feed, after it has asked for that feed's frames."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    peer.bind((source, 0))
    peer.connect(("127.0.0.1", port))
    if feed:
        lines = [f"GET {PATH}{feed} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", ""]
        peer.sendall("\r\n".join(lines).encode())
    return peer


def is_cut(peer: socket.socket) -> bool:
    """Whether the server has ended a connection that does not read; what waits in the kernel is left there."""
    return peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != bytes([1])  # TCP_ESTABLISHED
