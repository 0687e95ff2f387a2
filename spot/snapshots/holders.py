"""The process that holds a claim, as the claim's token says: nobody need wait for one that was killed.

A claim expires half a minute after its worker was killed. The other workers of the same machine or container see at
once that the process is gone. Where there is no /proc, and from another container, nobody sees it, and claims expire.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

#: The place of a process's state and of its start among the words of /proc/PID/stat after its name.
_STATE, _START = 0, 19
#: It has ended, and its parent has not asked how.
_ENDED = ("Z", "X")


def signed(token: str) -> str:
    """The token with the name of this process, where that can be known."""
    here, began = _here(), _began(os.getpid())
    return f"{token} {here} {os.getpid()} {began}" if here and began else token


def has_ended(token: str) -> bool:
    """Whether a token was signed here by a process that has ended; False where that cannot be known."""
    words = token.split()
    if len(words) != 4 or words[1] != _here():
        return False
    return _began(int(words[2])) != words[3]


@cache
def _here() -> str:
    """The kernel's run and this process's view of its processes; empty without /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty when there is none, or none any more."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[_STATE] in _ENDED else words[_START]
