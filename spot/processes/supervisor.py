"""A supervisor: starts a few processes, restarts them when they die, and ends all within 5 seconds.

Each process has a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor, which ends them in
order. A process that ignores the signal is killed together with its children. `spot.processes.reaper` does the same
when the supervisor itself is killed.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, Self

from spot.processes import forking, reaper
from spot.processes.fork_server import ForkServer
from spot.processes.forking import Forked

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
SETTLED_SECONDS = 30.0  # a program that ran this long is not in a crash loop
STOP_SECONDS = 3.3  # of 5 s in all; the rest is for programs that the others need
STOP_LAST_SECONDS = 1.2
TURN_SECONDS = 1.0
FORK_SERVER_SECONDS = 60.0  # it imports what the parts do


@dataclass(frozen=True)
class Program:
    """A program to run. `fds`: descriptors that it inherits; `last`: it ends after the others, which need it; `inside`:
    does the same in a fork of a process that has imported it, told by arguments what is added to `argv`."""

    name: str
    argv: Sequence[str]
    fds: tuple[int, ...] = ()
    last: bool = False
    inside: partial[Any] | None = None


#: Told by a program that is started with `--ready FD`, by a byte on FD: it serves.
READY = b"+"


@dataclass
class _Run:
    program: Program
    process: subprocess.Popen[bytes] | Forked
    started: float
    pause: float = FIRST_PAUSE_SECONDS
    due: float | None = None  # the time of its restart
    kill_at: float | None = None
    ready_fd: int | None = None  # where it says that it serves


@dataclass
class Supervisor:
    """Inside `with Supervisor(say) as supervisor:`, SIGINT, SIGTERM and SIGHUP end everything. `when_asked` is called
    from `run` after SIGUSR1."""

    say: Callable[[str], None]
    lock_fd: int | None = None
    ending: bool = False
    when_asked: Callable[[], None] = lambda: None
    _asked: bool = False
    #: The program of a `ForkServer`, and descriptors that it inherits.
    fork_server: tuple[Sequence[str], Sequence[int]] | None = None
    #: Makes programs by fork: this process, and after a reload, which is asked for when their code has changed, one
    #: that has the new; None where none can.
    _parent: ModuleType | ForkServer | None = forking if forking.is_possible() else None
    _leaving: list[_Run] = field(default_factory=list)  # replaced, and finishing what they have
    _runs: dict[str, _Run] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGUSR1, self._on_asked)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake the loop
        lock_fds = () if self.lock_fd is None else (self.lock_fd,)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", str(Path(reaper.__file__)), *map(str, lock_fds)],
            stdin=subprocess.PIPE,
            pass_fds=lock_fds,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.lock_fd is not None:
            os.ftruncate(self.lock_fd, 0)  # a waiting second start may expect the lock soon
        others = [run for run in self._runs.values() if not run.program.last]
        self._stop([*others, *self._leaving], STOP_SECONDS)
        self._stop([run for run in self._runs.values() if run.program.last], STOP_LAST_SECONDS)
        if isinstance(self._parent, ForkServer):
            self._end_fork_server(self._parent)
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()
        signal.set_wakeup_fd(-1)
        self._woken.close()
        self._wake.close()

    # --- for commands ---------------------------------------------------------------------------------------------

    def start(self, program: Program) -> None:
        """Start a program, and restart it whenever it ends."""
        self._runs[program.name] = _Run(program, self._spawn(program), time.monotonic())

    def finish(self, program: Program) -> int | None:
        """Run a program to its end; its exit code, or None when a signal ended us first."""
        process = self._spawn(program)
        while process.poll() is None:
            if self.ending:
                self._stop([_Run(program, process, time.monotonic())], STOP_SECONDS)
                return None
            self._turn(TURN_SECONDS)
        self._notify_reaper("-", process.pid)
        return process.returncode

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition became true in time; False also when a signal ended us."""
        deadline = time.monotonic() + seconds
        while not self.ending and time.monotonic() < deadline:
            if condition():
                return True
            self._turn(0.02)
        return False

    def has_ended(self, name: str) -> bool:
        """Whether a started program has ended."""
        return self._runs[name].process.poll() is not None

    def age(self, name: str) -> float:
        """Seconds since the last start of a program."""
        return time.monotonic() - self._runs[name].started

    def restart(self, name: str, reason: str) -> None:
        """End a program; it restarts like one that died."""
        run = self._runs[name]
        self.say(f"{name} {reason}; starting it again")
        run.process.terminate()
        run.kill_at = time.monotonic() + STOP_SECONDS

    def replace(self, names: Sequence[str], seconds: float, leave: signal.Signals, leave_seconds: float) -> str:
        """Start a successor of each program beside it; once all serve, send `leave` to the old ones, which may take
        so many seconds to end. Returns "", or why the old ones go on: a successor ended, or took too long to serve."""
        successors = [self._successor(name) for name in names]
        deadline = time.monotonic() + seconds
        waiting, why = list(successors), ""
        while waiting and not why:
            self._keep_all_alive()
            self._turn(0.1)
            waiting = [run for run in waiting if not _serves(run)]
            if ended := next((run for run in waiting if run.process.poll() is not None), None):
                why = f"the new {ended.program.name} ended ({_exit_text(ended.process.returncode)})"
            elif self.ending:
                why = "everything is ending"
            elif waiting and time.monotonic() > deadline:
                why = f"the new {waiting[0].program.name} does not serve after {seconds:g} s"
        for run in successors:
            assert run.ready_fd is not None
            os.close(run.ready_fd)
        if why:
            self._stop(successors, STOP_SECONDS)
            return why
        for run in successors:
            old, self._runs[run.program.name] = self._runs[run.program.name], run
            if old.process.poll() is None:
                old.process.send_signal(leave)
            old.kill_at = time.monotonic() + leave_seconds
            self._leaving.append(old)
        return ""

    def pid(self, name: str) -> int:
        """The id of the process of a program."""
        return self._runs[name].process.pid

    def run(self, each_turn: Callable[[], None]) -> None:
        """Restart programs that end, until a signal; `each_turn` is called about once a second."""
        while not self.ending:
            self._keep_all_alive()
            if self._asked:
                self._asked = False
                self._renew_parent()
                self.when_asked()
            each_turn()
            self._turn(TURN_SECONDS)

    # --- internals ------------------------------------------------------------------------------------------------

    def _on_asked(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.ending = True

    def _turn(self, seconds: float) -> None:
        """Sleep until a signal arrives, a program ends, or the time is over."""
        if select.select([self._woken], [], [], seconds)[0]:
            self._woken.recv(4096)

    def _renew_parent(self) -> None:
        """Have another process fork from now on, which has the code as it is now; none where that cannot start."""
        if isinstance(self._parent, ForkServer):
            self._end_fork_server(self._parent)
        self._parent = None
        if self.fork_server is None or not forking.is_possible():
            return
        made = ForkServer(*self.fork_server)
        self._notify_reaper("+", made.process.pid)
        deadline = time.monotonic() + FORK_SERVER_SECONDS
        while not self.ending and made.process.poll() is None and time.monotonic() < deadline:
            if made.is_ready():
                self._parent = made
                return
            self._keep_all_alive()
            self._turn(0.05)
        self._end_fork_server(made)

    def _end_fork_server(self, server: ForkServer) -> None:
        server.close()
        self._clean_up(server.process.pid)
        server.process.wait()

    def _successor(self, name: str) -> _Run:
        program = self._runs[name].program
        ready_fd, told = os.pipe()
        os.set_blocking(ready_fd, False)
        more = ("--ready", str(told))
        inside = None if program.inside is None else partial(program.inside, *more)
        try:
            process = self._spawn(
                replace(program, argv=[*program.argv, *more], fds=(*program.fds, told), inside=inside)
            )
        finally:
            os.close(told)
        return _Run(program, process, time.monotonic(), ready_fd=ready_fd)

    def _spawn(self, program: Program) -> subprocess.Popen[bytes] | Forked:
        process = self._fork(program)
        if process is None:
            argv, fds = program.argv, program.fds
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=fds, start_new_session=True)
        self._notify_reaper("+", process.pid)
        return process

    def _fork(self, program: Program) -> subprocess.Popen[bytes] | Forked | None:
        """The program as a fork; None where it must be started."""
        if program.inside is None or self._parent is None:
            return None
        try:
            made: Forked = self._parent.fork(program.inside, f"spot {program.name}", program.fds)
        except OSError:
            if not isinstance(self._parent, ForkServer):
                raise
            self._end_fork_server(self._parent)
            self._parent = None
            return None
        return made

    def _notify_reaper(self, sign: str, group: int) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"{sign}{group}\n".encode())
        self._reaper.stdin.flush()

    def _keep_all_alive(self) -> None:
        for run in self._runs.values():
            self._keep_alive(run)
        for run in list(self._leaving):
            if run.process.poll() is not None:
                self._clean_up(run.process.pid)
                self._leaving.remove(run)
            elif run.kill_at is not None and time.monotonic() > run.kill_at:
                reaper.send(run.process.pid, signal.SIGKILL)

    def _keep_alive(self, run: _Run) -> None:
        now = time.monotonic()
        code = run.process.poll()
        if code is None:
            if run.kill_at is not None and now > run.kill_at:
                reaper.send(run.process.pid, signal.SIGKILL)
        elif run.due is None:
            self._clean_up(run.process.pid)
            run.pause = FIRST_PAUSE_SECONDS if now - run.started > SETTLED_SECONDS else run.pause
            run.due = now + run.pause
            if run.kill_at is None:
                self.say(f"{run.program.name} ended ({_exit_text(code)}); starting it again in {run.pause:g} s")
        elif now >= run.due:
            run.process, run.started = self._spawn(run.program), now
            run.pause = min(2 * run.pause, LONGEST_PAUSE_SECONDS)
            run.due = run.kill_at = None

    def _clean_up(self, group: int) -> None:
        """Kill the remaining children of a program that has ended."""
        reaper.send(group, signal.SIGKILL)
        self._notify_reaper("-", group)

    def _stop(self, runs: Sequence[_Run], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        alive = [run for run in runs if run.process.poll() is None]
        for run in alive:
            run.process.terminate()
        while any(run.process.poll() is None for run in alive) and (left := deadline - time.monotonic()) > 0:
            self._turn(min(left, 0.2))
        for run in runs:
            self._clean_up(run.process.pid)
            run.process.wait()


def _serves(run: _Run) -> bool:
    assert run.ready_fd is not None
    try:
        return os.read(run.ready_fd, 1) == READY
    except BlockingIOError:
        return False


def _exit_text(code: int | None) -> str:
    return f"exit code {code}" if code is None or code >= 0 else f"killed by {signal.Signals(-code).name}"
