"""Bodies of HTTP answers as bytes: in the content coding that the client prefers, made once for each state.

A body is named by its entity tag. It is compressed in a thread of its own, so that sockets do not wait for it, and kept
while there is room: `SHELF` is bounded in bytes, and the oldest goes first.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import brotli

#: Bodies smaller than this are sent as they are: the headers would outweigh what is saved.
LEAST_BYTES = 1024
#: Bodies smaller than this are compressed at once: a thread would cost more.
_AT_ONCE_BYTES = 16_384
_SHELF_BYTES = 16 * 1024 * 1024
_LONGEST_HEADER = 1000


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(4, wbits=31)  # 3 % larger than by the default 6, in three fifths of the time
    return packer.compress(body) + packer.flush()


def _brotli(body: bytes) -> bytes:
    return brotli.compress(body, quality=4)


#: The codings that are offered, the best first.
CODINGS: dict[str, Callable[[bytes], bytes]] = {"br": _brotli, "gzip": _gzip}


@lru_cache(maxsize=256)
def _choice(header: str) -> tuple[str | None, bool]:
    """The coding that a header prefers, None where it is none, and whether a body may not be sent as it is."""
    weights = _weights(header)
    others = weights.get("*", 0.0)
    plain = weights.get("identity", others if "*" in weights else None)
    offered = {name: weights.get(name, others) for name in CODINGS}
    best = max(offered, key=lambda name: offered[name])  # the first of equals
    if not offered[best] or (plain is not None and plain > offered[best]):
        return None, False
    return best, plain == 0.0 and ("identity" in weights or "*" in weights)


def preferred(header: str | None, size: int = LEAST_BYTES) -> str | None:
    """The coding that an Accept-Encoding header prefers for a body of that size; None: as it is.

    Follows RFC 9110, 12.5.3: `q=0` forbids a coding, `*` stands for all that are not named, and a body may be sent as
    it is unless that is forbidden. A coding that cannot be had is no reason to refuse the answer.
    """
    if not header:
        return None
    best, needed = _choice(header[:_LONGEST_HEADER])
    return best if needed or size >= LEAST_BYTES else None


def _weights(header: str) -> dict[str, float]:
    """The weight of each coding named; one that cannot be read forbids its coding."""
    weights = {}
    for item in header.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = _weight(value.strip())
        if name:
            weights["gzip" if name == "x-gzip" else name] = weight
    return weights


def _weight(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0


class Shelf:
    """Finished bodies by name, at most so many bytes of them. A request for one that is being made waits for it."""

    def __init__(self, most_bytes: int = _SHELF_BYTES) -> None:
        self.bytes = 0
        self._most = most_bytes
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()
        self._coming: dict[Hashable, asyncio.Future[bytes]] = {}
        self._thread = ThreadPoolExecutor(1, "encode")

    async def get(self, name: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The body of that name, which `make` makes if it is not there."""
        if name in self._bodies:
            self._bodies.move_to_end(name)
            return self._bodies[name]
        if name not in self._coming:
            self._coming[name] = asyncio.ensure_future(self._make(name, make))
        return await asyncio.shield(self._coming[name])

    async def encoded(self, name: Hashable, body: bytes, coding: str) -> bytes:
        """A body in that coding."""
        return await self.get((name, coding), lambda: self.compress(body, coding))

    async def compress(self, body: bytes, coding: str) -> bytes:
        """A body in that coding, which is not kept."""
        if len(body) < _AT_ONCE_BYTES:
            return CODINGS[coding](body)
        return await asyncio.get_running_loop().run_in_executor(self._thread, CODINGS[coding], body)

    async def _make(self, name: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            body = await make()
        finally:
            del self._coming[name]
        if len(body) <= self._most // 4:
            self._bodies[name] = body
            self.bytes += len(body)
            while self.bytes > self._most:
                self.bytes -= len(self._bodies.popitem(last=False)[1])
        return body


#: The bodies of this process.
SHELF = Shelf()
