"""How fast a server takes what a WebSocket peer sends: in slices, and no more than is fair.

A peer may send some frames and kilobytes a second as it likes. Anything beyond comes out of an allowance that all
peers of the process share. A peer that finds it empty is not read for a moment, so that its own sending slows down.
The cost counts frames and bytes: a thousand empty fragments are as much work as a thousand pings.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from spot.clients.limits import Bucket

#: Frames or KB a second that each peer may send, and at once.
OWN_RATE, OWN_BURST = 100.0, 500.0
#: Frames or KB a second beyond, for all peers of the process together, and at once.
SHARED_RATE, SHARED_BURST = 6000.0, 3000.0
#: For how long a peer that has sent too much is not read, in seconds.
_REST_SECONDS = 0.05
#: The least and the most bytes that are parsed before others get their turn: the least may be 170 frames.
_LEAST, _MOST = 1024, 65_536
#: From so many frames on, a slice is full of tiny ones.
_MANY = 8


def _nothing(*_: object) -> None:
    pass


class Intake:
    """The bytes that one peer has sent and nobody has parsed yet."""

    shared = Bucket(SHARED_RATE, SHARED_BURST)

    def __init__(
        self,
        parse: Callable[[bytes], object],
        pause: Callable[[], object],
        resume: Callable[[], object],
        later: Callable[[float, Callable[[], object]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        #: Frames parsed since the connection began; whoever parses them counts.
        self.frames = 0
        self._parse = parse
        self._pause = pause
        self._resume = resume
        self._later = later
        self._clock = clock
        self._own = Bucket(OWN_RATE, OWN_BURST)
        self._waiting = bytearray()
        self._slice = _LEAST
        self._scheduled = False
        self._closed = False

    def take(self, data: bytes) -> None:
        """Parse what has come, or keep it until it is its turn."""
        if not self._scheduled and len(data) <= self._slice:
            self._feed(data)
            return
        self._waiting += data
        if not self._scheduled:
            self._go_on()
        else:
            self._pause()  # the server may have resumed reading for reasons of its own

    def close(self) -> None:
        """The connection has ended: nothing is parsed any more, and nothing that belongs to it is referred to."""
        self._closed = True
        self._waiting.clear()
        self._parse = self._pause = self._resume = self._later = _nothing

    def _go_on(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        wait = self._owed()
        if not wait:
            part = bytes(self._waiting[: self._slice])
            del self._waiting[: self._slice]
            self._feed(part)
            wait = self._owed()
        if self._waiting or wait:
            self._schedule(_REST_SECONDS if wait else 0)
        elif not self._closed:
            self._resume()

    def _schedule(self, seconds: float) -> None:
        if not self._closed and not self._scheduled:
            self._scheduled = True
            self._pause()
            self._later(seconds, self._go_on)

    def _feed(self, data: bytes) -> None:
        before = self.frames
        self._parse(data)
        frames = self.frames - before
        self._slice = _LEAST if frames > _MANY else min(self._slice * 4, _MOST)
        self._charge(frames + len(data) / 1024)

    def _charge(self, cost: float) -> None:
        now = self._clock()
        self._own.wait(now, 0)
        self._own.tokens -= cost
        if self._own.tokens < 0:  # the rest comes out of what all share
            self.shared.wait(now, 0)
            self.shared.tokens += self._own.tokens
            self._own.tokens = 0
            if self.shared.tokens < 0 and not self._scheduled and not self._waiting:
                self._schedule(_REST_SECONDS)

    def _owed(self) -> bool:
        """Whether the shared allowance is overdrawn, and this peer has nothing left of its own."""
        now = self._clock()
        self._own.wait(now, 0)
        self.shared.wait(now, 0)
        return self.shared.tokens < 0 and self._own.tokens < 1
