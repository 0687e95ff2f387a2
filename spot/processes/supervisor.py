"""Keeps a handful of processes alive: starts them, starts them again when they die, and ends them all within 5 seconds.

Each runs in a session of its own, so a Ctrl-C in the terminal reaches only the supervisor, which ends them in order.
What has not ended when asked is killed with all that it forked. `spot.processes.reaper` does the same should the
supervisor be killed itself.
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
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from spot.processes import reaper

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
SETTLED_SECONDS = 30.0  # a program that lived this long is not in a crash loop
STOP_SECONDS = 3.3  # for the programs, then as much as is left of 5 s for those that the others need
STOP_LAST_SECONDS = 1.2
TURN_SECONDS = 1.0


@dataclass(frozen=True)
class Program:
    """What to run: `fds` stay open in it; `last`: it ends after the others, because they need it."""

    name: str
    argv: Sequence[str]
    fds: tuple[int, ...] = ()
    last: bool = False


@dataclass
class _Run:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    pause: float = FIRST_PAUSE_SECONDS
    due: float | None = None  # when it is to be started again
    kill_at: float | None = None


@dataclass
class Supervisor:
    """`with Supervisor(say) as supervisor:` from which on SIGINT, SIGTERM and SIGHUP mean: end everything."""

    say: Callable[[str], None]
    lock_fd: int | None = None
    ending: bool = False
    _runs: dict[str, _Run] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._woken, wake = socket.socketpair()
        for end in (self._woken, wake):
            end.setblocking(False)
        self._wake = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_end)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only to wake the loop
        held = () if self.lock_fd is None else (self.lock_fd,)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", str(Path(reaper.__file__)), *map(str, held)],
            stdin=subprocess.PIPE,
            pass_fds=held,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.lock_fd is not None:
            os.ftruncate(self.lock_fd, 0)  # who waits for the lock may expect it soon
        self._stop([run for run in self._runs.values() if not run.program.last], STOP_SECONDS)
        self._stop([run for run in self._runs.values() if run.program.last], STOP_LAST_SECONDS)
        assert self._reaper.stdin is not None
        self._reaper.stdin.close()
        self._reaper.wait()
        signal.set_wakeup_fd(-1)
        self._woken.close()
        self._wake.close()

    # --- what a command does with it ------------------------------------------------------------------------------

    def start(self, program: Program) -> None:
        """Start a program that is to stay alive."""
        self._runs[program.name] = _Run(program, self._spawn(program), time.monotonic())

    def finish(self, program: Program) -> int | None:
        """Run a program to its end and return its exit code; None when we were asked to end before that."""
        process = self._spawn(program)
        while process.poll() is None:
            if self.ending:
                self._stop([_Run(program, process, time.monotonic())], STOP_SECONDS)
                return None
            self._turn(TURN_SECONDS)
        self._tell_reaper("-", process.pid)
        return process.returncode

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Whether the condition came true in time. It is False as well when we were asked to end."""
        deadline = time.monotonic() + seconds
        while not self.ending and time.monotonic() < deadline:
            if condition():
                return True
            self._turn(0.02)
        return False

    def has_ended(self, name: str) -> bool:
        """Whether a program that was started is not alive now."""
        return self._runs[name].process.poll() is not None

    def age(self, name: str) -> float:
        """Seconds since a program was last started."""
        return time.monotonic() - self._runs[name].started

    def restart(self, name: str, reason: str) -> None:
        """End a program, which is then started again like one that died."""
        run = self._runs[name]
        self.say(f"{name} {reason}; starting it again")
        run.process.terminate()
        run.kill_at = time.monotonic() + STOP_SECONDS

    def run(self, each_turn: Callable[[], None]) -> None:
        """Keep the programs alive until asked to end; `each_turn` is called about once a second."""
        while not self.ending:
            for run in self._runs.values():
                self._keep_alive(run)
            each_turn()
            self._turn(TURN_SECONDS)

    # --- how ------------------------------------------------------------------------------------------------------

    def _asked_to_end(self, _number: int, _frame: FrameType | None) -> None:
        self.ending = True

    def _turn(self, seconds: float) -> None:
        """Sleep until a signal arrives or a program ends, or the time is over."""
        if select.select([self._woken], [], [], seconds)[0]:
            self._woken.recv(4096)

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(program.argv, stdin=subprocess.DEVNULL, pass_fds=program.fds, start_new_session=True)
        self._tell_reaper("+", process.pid)
        return process

    def _tell_reaper(self, sign: str, group: int) -> None:
        assert self._reaper.stdin is not None
        self._reaper.stdin.write(f"{sign}{group}\n".encode())
        self._reaper.stdin.flush()

    def _keep_alive(self, run: _Run) -> None:
        now = time.monotonic()
        code = run.process.poll()
        if code is None:
            if run.kill_at is not None and now > run.kill_at:
                reaper.send(run.process.pid, signal.SIGKILL)
        elif run.due is None:
            self._bury(run.process.pid)
            run.pause = FIRST_PAUSE_SECONDS if now - run.started > SETTLED_SECONDS else run.pause
            run.due = now + run.pause
            if run.kill_at is None:
                self.say(f"{run.program.name} ended ({_how(code)}); starting it again in {run.pause:g} s")
        elif now >= run.due:
            run.process, run.started = self._spawn(run.program), now
            run.pause = min(2 * run.pause, LONGEST_PAUSE_SECONDS)
            run.due = run.kill_at = None

    def _bury(self, group: int) -> None:
        """What a dead program had forked goes with it."""
        reaper.send(group, signal.SIGKILL)
        self._tell_reaper("-", group)

    def _stop(self, runs: Sequence[_Run], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        alive = [run for run in runs if run.process.poll() is None]
        for run in alive:
            run.process.terminate()
        while any(run.process.poll() is None for run in alive) and (left := deadline - time.monotonic()) > 0:
            self._turn(min(left, 0.2))
        for run in runs:
            self._bury(run.process.pid)
            run.process.wait()


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
