"""A forking parent beside the supervisor: after a reload it has the new code, which the processes that it forks share.

It is a program (`manage.py fork_server`) that imports what the parts import, and then forks when it is told to. What it
forks are children of the supervisor, not its own: the middle one of three generations ends at once, and the supervisor
adopts its child, as Linux lets a process do for its descendants (PR_SET_CHILD_SUBREAPER).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import pkgutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

from spot.processes import forking
from spot.processes.forking import Forked

#: Told by the program once it can fork.
_READY = b"+"
_PR_SET_CHILD_SUBREAPER = 36
#: A fork takes some milliseconds; a program that does not answer within so many seconds is of no use.
_FORK_SECONDS = 10.0
_MOST_BYTES = 65_536
#: Descriptors arrive above those that the parts are told of.
_ABOVE = 256


class ForkServer:
    """The supervisor's side. `argv` is the program, which is told its end of the channel by `--fd`."""

    def __init__(self, argv: Sequence[str], fds: Sequence[int]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [*argv, "--fd", str(theirs.fileno())]
            passed = (*fds, theirs.fileno())
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=passed, start_new_session=True)
        self._channel.setblocking(False)

    def is_ready(self) -> bool:
        """Whether it can fork; to be asked until it is so, or the process has ended."""
        try:
            return self._channel.recv(1) == _READY
        except BlockingIOError:
            return False

    def fork(self, run: partial[Any], name: str, fds: Sequence[int] = ()) -> Forked:
        """As `forking.fork`, with the code that the program has imported: the function is found there by its name, and
        its arguments are texts and lists of texts. Raises OSError where the program has ended or does not answer."""
        self._channel.settimeout(_FORK_SECONDS)
        function = f"{run.func.__module__}:{run.func.__qualname__}"
        order = json.dumps([function, run.args, name, list(fds)]).encode()
        with _adopting():
            socket.send_fds(self._channel, [order], fds)
            if not (answer := self._channel.recv(64)):
                raise OSError("it has ended")
        return Forked(int(answer))

    def close(self) -> None:
        """Let the program end."""
        self._channel.close()


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Be the parent of descendants that lose theirs, for as long as this takes."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def serve(fd: int) -> None:
    """The program: fork what is ordered on the channel, until the supervisor closes it."""
    forking.prepare()
    with socket.socket(fileno=fd) as channel:
        channel.sendall(_READY)
        while True:
            order, received, _, _ = socket.recv_fds(channel, _MOST_BYTES, 16)
            if not order:
                return
            function, arguments, name, fds = json.loads(order)
            run = partial(pkgutil.resolve_name(function), *arguments)
            channel.sendall(b"%d" % _fork(run, name, received, fds))
            for one in received:
                os.close(one)


def _fork(run: Callable[[], object], name: str, received: Sequence[int], fds: Sequence[int]) -> int:
    """Fork a child that is not ours; its id."""
    told, tells = os.pipe()
    middle = os.fork()
    if not middle:
        _be_between(run, name, received, fds, tells)
    os.close(tells)
    with os.fdopen(told) as answer:
        child = int(answer.read())
    os.waitpid(middle, 0)
    return child


def _be_between(
    run: Callable[[], object], name: str, received: Sequence[int], fds: Sequence[int], tells: int
) -> NoReturn:
    """Fork the child, tell its id, and end."""
    child = os.fork()
    if child:
        os.write(tells, b"%d" % child)
        os._exit(0)
    above = [fcntl.fcntl(one, fcntl.F_DUPFD, _ABOVE) for one in received]
    for one, number in zip(above, fds, strict=True):
        os.dup2(one, number)
    forking.become(run, name, fds)
