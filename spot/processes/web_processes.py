"""The web processes of one listening socket, and their replacement by new ones without a refused connection.

They inherit the socket, so that each accepts when it has time, and a connection that none has accepted yet belongs to
none: it waits in the kernel while one is started again. `manage.py up` notes in a file of SPOT_HOME, one for each port,
what it supervises; `manage.py reload` reads that, signals, and waits there for what came of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Self

from spot.processes.supervisor import Program, Supervisor
from spot.server.listening import IDLE_SECONDS, LEAVE, LEAVE_SECONDS

#: A new process must accept connections within this time.
START_SECONDS = 60.0
#: Answers in flight get `LEAVE_SECONDS`; a process that is then still there is killed.
_END_SECONDS = LEAVE_SECONDS + IDLE_SECONDS + 2.0


class CannotReload(Exception):
    """The web processes stay as they are; the message says why, for the operator."""


@dataclass
class Note:
    """What a supervisor says of its web processes."""

    supervisor: int = 0
    #: Process ids by name.
    processes: dict[str, int] = field(default_factory=dict)
    #: Replacements that were tried so far, and what came of the last: "" when it succeeded.
    reloads: int = 0
    trouble: str = ""

    @classmethod
    def read(cls, file: Path) -> Self:
        """The note in a file. Raises CannotReload where no supervisor keeps it."""
        try:
            with file.open() as note:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    raise CannotReload(f"No web process runs on this folder and port ({file} is of a former run).")
                return cls(**json.load(note))
        except FileNotFoundError as error:
            raise CannotReload(f"No web process runs on this folder and port ({file} is missing).") from error
        except ValueError:  # it is just being written
            time.sleep(0.05)
            return cls.read(file)


def note_file(home: Path, port: int) -> Path:
    """Where the note on the web processes of a port is."""
    return home / f"web-{port}.json"


def names(count: int) -> list[str]:
    """The names of so many web processes."""
    return ["web"] if count == 1 else [f"web-{number}" for number in range(1, count + 1)]


@dataclass
class WebProcesses:
    """The web processes of one supervisor. `program` makes one by its name and its number; `then` is called after a
    replacement, for what else is to be renewed."""

    supervisor: Supervisor
    file: Path
    count: int
    program: Callable[[str, int], Program]
    then: Callable[[], None] = lambda: None
    _note: Note = field(default_factory=Note)
    _held: IO[str] | None = None
    _written: str = ""

    def start(self) -> None:
        """Start them all, and answer `manage.py reload` from now on."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = self.file.open("a+")
        fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for number, name in enumerate(names(self.count), 1):
            self.supervisor.start(self.program(name, number))
        self._note.supervisor = os.getpid()
        self.supervisor.when_asked = self.replace
        self.note()

    def replace(self) -> None:
        """Replace all by new ones; they stay where a new one cannot start."""
        say = self.supervisor.say
        say(f"Reloading: starting {self.count} web process{'es' if self.count > 1 else ''}")
        trouble = self.supervisor.replace(names(self.count), START_SECONDS, LEAVE, _END_SECONDS)
        if trouble:
            say(f"Reloading failed: {trouble}. The old processes go on.")
        else:
            say("Reloaded: the new processes accept connections, the old ones finish what they have")
            self.then()
        self._note.reloads += 1
        self._note.trouble = trouble
        self.note()

    def note(self) -> None:
        """Write down what has changed."""
        self._note.processes = {name: self.supervisor.pid(name) for name in names(self.count)}
        text = json.dumps(asdict(self._note))
        if text != self._written:
            assert self._held is not None
            self._held.truncate(0)  # the file is open for appending
            self._held.write(text)
            self._held.flush()
            self._written = text

    def close(self) -> None:
        """Answer no more."""
        if self._held is not None:
            self.file.unlink(missing_ok=True)
            self._held.close()


def reload(file: Path) -> Sequence[int]:
    """Have the supervisor that keeps the note replace its web processes; the ids of the new ones. Raises
    CannotReload."""
    before = note = Note.read(file)
    os.kill(before.supervisor, signal.SIGUSR1)
    deadline = time.monotonic() + START_SECONDS + 10
    while note.reloads == before.reloads:
        if time.monotonic() > deadline:
            raise CannotReload(f"Process {before.supervisor} does not say what came of it; its log may.")
        time.sleep(0.05)
        note = Note.read(file)
    if note.trouble:
        raise CannotReload(f"The old web processes go on: {note.trouble}. The log has the reason.")
    return [*note.processes.values()]
