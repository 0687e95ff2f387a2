"""The reaper: ends the processes of a supervisor that is killed.

It is a separate process, since that is the portable way to notice a `kill -9`. It reads process groups from standard
input (`+123` started, `-123` ended); at the end of the input the supervisor has ended, and the reaper ends the
remaining groups. Its argument is the file descriptor of the supervisor's lock: while it is open, a second start waits
until the processes of the first have ended; the empty file tells the second start that they are ending.
"""

import contextlib
import os
import signal
import sys
import time

TERM_SECONDS = 3.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its input
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
    """Terminate every group, and kill those that are alive after a few seconds."""
    deadline = time.monotonic() + TERM_SECONDS
    left = {group for group in groups if send(group, 0)}
    for leader in left:
        # Only the leader: it ends its own children, and Celery would report their end as a crash.
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Signal a process group; False when it no longer exists."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS raises the latter for a group of zombies
        return False
    return True


if __name__ == "__main__":
    main()
