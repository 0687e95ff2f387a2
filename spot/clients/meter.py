"""What a connection is sent, counted where it costs nothing for the others. Pure.

Most frames are sent to a whole audience at once, without touching any of its members. So the audience counts its
frames, and a member with a meter remembers the count at which it came, and how much longer its own frames are.
"""

from __future__ import annotations


class Tally:
    """The frames that an audience has been sent so far."""

    __slots__ = ("bytes", "frames")

    def __init__(self) -> None:
        self.frames = self.bytes = 0

    def add(self, size: int) -> None:
        """Count a frame of so many bytes, without its receivers' labels."""
        self.frames += 1
        self.bytes += size


#: What all connections of this process have been sent: by broadcasts, and by their outboxes.
BROADCAST, OUTBOX = Tally(), Tally()


class Meter:
    """The messages that one connection has been sent, and their bytes as frames: since they were last taken, and in
    all."""

    __slots__ = ("_bytes", "_label", "_messages", "_start", "_taken", "_tally")

    def __init__(self) -> None:
        self._messages = self._bytes = self._label = 0
        self._taken = (0, 0)
        self._tally: Tally | None = None
        self._start = (0, 0)

    def count(self, messages: int, size: int) -> None:
        """Count messages that were sent to this connection alone."""
        self._messages += messages
        self._bytes += size

    def follow(self, tally: Tally, label: int = 0) -> None:
        """Count what the audience is sent from now on, each frame with a label of so many bytes."""
        self.settle()
        self._label = label
        self._tally, self._start = tally, (tally.frames, tally.bytes)

    def leave(self) -> None:
        """Count no more of the audience."""
        self.settle()
        self._tally = None

    def settle(self) -> None:
        """Count what the audience has been sent so far."""
        if (tally := self._tally) is not None:
            frames = tally.frames - self._start[0]
            self.count(frames, tally.bytes - self._start[1] + frames * self._label)
            self._start = (tally.frames, tally.bytes)

    def take(self) -> tuple[int, int]:
        """Messages and bytes since the last call."""
        self.settle()
        taken, self._messages, self._bytes = (self._messages, self._bytes), 0, 0
        self._taken = self._taken[0] + taken[0], self._taken[1] + taken[1]
        return taken

    def total(self) -> tuple[int, int]:
        """Messages and bytes since the connection was opened."""
        self.settle()
        return self._taken[0] + self._messages, self._taken[1] + self._bytes
