"""A process made by fork(2), in place of a program: it shares what its parent has imported, some 90 MB.

The child never returns from `fork`: objects of the parent's frames stay alive in it, and are not cleaned up a second
time. Descriptors that it is not to have become /dev/null, under their numbers, so that whatever still knows these can
do no harm with them. Threads do not survive a fork, and locks that they hold stay locked in the child: the threads of a
process that forks do their work inside `undisturbed`.

Where the code has changed since it was imported, another process forks instead: `spot.processes.fork_server`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from django.db import connections

#: Held by a thread while it works, and by a fork.
undisturbed = threading.Lock()

_DESCRIPTORS = Path("/proc/self/fd")
_POLL_SECONDS = 0.02


def is_possible() -> bool:
    """Whether a forked child can run Python here: elsewhere the system's own libraries forbid it."""
    return sys.platform == "linux" and _DESCRIPTORS.is_dir()


def prepare() -> None:
    """Once everything that children share has been imported: no collector looks at it any more, in this process or
    in theirs, since it would write to every page that it looks at."""
    gc.collect()
    gc.freeze()


class Forked:
    """A child made by `fork`, with the methods of `subprocess.Popen` that a supervisor uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        while (code := self.poll()) is None:
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def fork(run: Callable[[], object], name: str, fds: Collection[int] = ()) -> Forked:
    """Run a function in a session and process of its own, which `top` and `ps -e` call by the first 15 characters of
    the name. Of our descriptors it has the standard ones and `fds`."""
    with undisturbed:
        connections.close_all()  # a connection to the database must not have two owners
        sys.stdout.flush()
        sys.stderr.flush()
        signals = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # ours are not the child's
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    if not pid:
        become(run, name, fds, signals)
    return Forked(pid)


def become(run: Callable[[], object], name: str, fds: Collection[int], signals: Collection[int] = ()) -> NoReturn:
    """In a child that has just been made: be that process, and end with it. `signals` are those that stay blocked."""
    code = 1
    try:
        _become(name, {0, 1, 2, *fds})
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        code = _exit_code(run)
    finally:
        os._exit(code)


def _become(name: str, kept: Collection[int]) -> None:
    """Be a process of its own, as a program would be that is started."""
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in [0, *map(int, os.listdir(_DESCRIPTORS))]:  # noqa: PTH208  the names alone
        if fd not in kept or fd == 0:
            with contextlib.suppress(OSError):  # the one that the folder was read through
                os.fstat(fd)
                os.dup2(nothing, fd)


def _exit_code(run: Callable[[], object]) -> int:
    """Run the function as the interpreter runs a program; its exit code."""
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except KeyboardInterrupt:
        code = 130
    except Exception:  # noqa: BLE001  as at the end of any program
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code
