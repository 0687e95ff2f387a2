"""How long a connection was open and why it ended: one line of the log each."""

from __future__ import annotations

import time

import structlog

from spot.clients.roster import Connected
from spot.codes import Close

log = structlog.get_logger("spot.connections")


class Stay:
    """One connection from its opening to its end. The first reason given for the end is logged."""

    __slots__ = ("_began", "_code", "_error", "_reason", "id", "received")

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._code: int | None = None
        self._error = self._reason = ""
        #: The id that the client was told, where its protocol has one.
        self.id = ""
        #: Messages of the client.
        self.received = 0

    def refuse(self, code: str) -> None:
        """Note the error, a code of `spot.codes.ERRORS`, for which the connection will be ended."""
        self._error = self._error or code

    def end(self, code: int | None, reason: str = "") -> None:
        """Note the close code, of whichever side, and its reason."""
        if self._code is None:
            self._code, self._reason = code, reason
            if code == Close.SLOW_READER:
                self.refuse("slow_reader")

    def log(self, connection: Connected, path: str) -> None:
        """Write the line. The address of a client stands in it only if the client was refused something."""
        who = connection.who
        frames, size = (0, 0) if connection.meter is None else connection.meter.total()
        line = {
            "dialect": connection.speaks,
            "path": path,
            "seconds": round(time.monotonic() - self._began, 3),
            "frames": frames,
            "bytes": size,
            "received": self.received,
            "code": self._code,
            "reason": self._reason[:200],
            "plan": who.plan.name,
        }
        known = {"key": who.key, "connection": self.id, "error": self._error, "address": self._error and who.address}
        log.info("connection closed", **line, **{name: value for name, value in known.items() if value})
