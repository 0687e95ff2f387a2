"""The last one out: ends what a supervisor started, should the supervisor itself be killed.

A process of its own, because nobody else notices a `kill -9` on every system. It reads process groups from its standard
input (`+123` started, `-123` ended); when the input ends, the supervisor is gone, and whatever is left is ended too.
Its argument is the file descriptor of the supervisor's lock: holding it open makes a second start wait until the first
one's processes are really gone, and emptying the file says that they are going.
"""

import contextlib
import os
import signal
import sys
import time

TERM_SECONDS = 3.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its input does, and not before
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    if sys.argv[1:]:
        os.ftruncate(int(sys.argv[1]), 0)
    end(groups)


def end(groups: set[int]) -> None:
    """Ask every group to end, and kill those that have not after a few seconds."""
    deadline = time.monotonic() + TERM_SECONDS
    left = {group for group in groups if send(group, 0)}
    for leader in left:
        ask_to_end(leader)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def ask_to_end(leader: int) -> None:
    """SIGTERM to the one process that was started: what it forked is for it to end (Celery calls it a crash else)."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGTERM)


def send(group: int, number: int) -> bool:
    """Signal a process group; False when it no longer exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
