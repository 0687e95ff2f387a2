"""What is garbage by reference cycles, and what the allocator keeps of it, given back in turns that cost nobody much.

Connections, pages and tables are freed by reference counts, and the garbage collector is told to look rarely
(`spot.server.listening`). What libraries leave in cycles (a page of Django: 40 KB, an error of redis-py) would wait for
100,000 other objects, and for ever once it has grown old.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import time
from collections.abc import Callable

#: Seconds between two looks at the newest objects, of which the collector lets no more than 100,000 gather: 10 ms.
_EVERY_SECONDS = 10.0
#: All objects are looked at no more often than this, and for no more than this part of the time: 0.05 s of a process
#: that does little, some 0.4 s of one with 100,000 sockets, in which it serves nobody.
_WHOLE_SECONDS, _WHOLE_SHARE = 60.0, 1 / 2000


def _trim() -> Callable[[int], int] | None:
    """glibc's function that gives free memory back to the system; None elsewhere."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None


class Tidying:
    """The turns of one process. `clock` tells seconds, `spent` those of a processor that this thread has taken."""

    def __init__(self, clock: Callable[[], float], spent: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._spent = spent
        self._whole_at = clock() + _WHOLE_SECONDS
        self._trim = _trim()

    async def forever(self) -> None:
        """Tidy every few seconds."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.turn()

    def turn(self) -> None:
        """Look at the newest objects, or at all of them and give free memory back, when that is due."""
        if self._clock() < self._whole_at:
            gc.collect(0)
            return
        began = self._spent()
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        self._whole_at = self._clock() + max(_WHOLE_SECONDS, (self._spent() - began) / _WHOLE_SHARE)
