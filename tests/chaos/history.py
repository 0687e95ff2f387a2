"""Judges what clients saw against what was published. Pure.

Frames are state, the newest only: gaps between versions are allowed. Everything else is not: a version that goes back
within one epoch, a frame of a version that was never published or whose rows differ from another client's of the same
view and version, a row that was not asked for, a frame that comes twice, and old data without a mark.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

#: Seconds after which a mark is late: the hub looks at the age of its data on a timer of 5 s.
GRACE = 7.0
#: A publisher's log with holes longer than this does not prove that a version was never published.
_HOLE = 0.5


class Published(NamedTuple):
    """What a table of the store contained at a time (seconds)."""

    at: float
    epoch: str
    version: int


class Frame(NamedTuple):
    """A frame as a client saw it. `life` counts the client's connections; a status has no version."""

    client: int
    life: int
    view: str
    at: float
    epoch: str
    version: int
    digest: str
    stale: bool
    good_until: float  # seconds, on the clock of `at`: when the data turn stale
    foreign: bool = False  # has rows that the view did not ask for


@dataclass
class Findings:
    """What is wrong, as counts, and the first few in words."""

    frames: int = 0
    back: int = 0
    torn: int = 0
    foreign: int = 0
    doubled: int = 0
    unmarked: int = 0
    stale: int = 0  # frames that were marked, which is no fault
    words: list[str] = field(default_factory=list)

    def add(self, kind: str, words: str) -> None:
        """Count one more."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.words) < 5:
            self.words.append(f"{kind}: {words}")


def check(
    heard: Iterable[Sequence[Frame]],
    published: Sequence[Published] = (),
    ends: Sequence[float] = (),
    grace: float = GRACE,
) -> Findings:
    """The findings of all clients; `heard` is each connection's frames in their order, `ends` when each ended."""
    findings = Findings()
    digests: dict[tuple[str, str, int], str] = {}
    known = {(entry.epoch, entry.version) for entry in published}
    holes = [(a.at, b.at) for a, b in pairwise(published) if b.at - a.at > _HOLE]
    began = published[0].at if published else float("inf")
    for number, frames in enumerate(heard):
        newest: dict[str, int] = defaultdict(int)
        before: Frame | None = None
        for frame in frames:
            findings.frames += 1
            findings.stale += frame.stale
            _check_age(findings, before, frame.at, grace)
            if frame.version:
                if frame.version < newest[frame.epoch]:
                    findings.add("back", f"client {frame.client}: {newest[frame.epoch]} then {frame.version}")
                newest[frame.epoch] = max(newest[frame.epoch], frame.version)
                key = (frame.view, frame.epoch, frame.version)
                if digests.setdefault(key, frame.digest) != frame.digest:
                    findings.add("torn", f"client {frame.client}: {key} differs from another client's")
                if frame.foreign:
                    findings.add("foreign", f"client {frame.client}: rows that {frame.view} did not ask for")
                elif (
                    (frame.epoch, frame.version) not in known
                    and frame.at > began + 1
                    and not any(start - 1 < frame.at < end + 1 for start, end in holes)
                ):
                    findings.add("foreign", f"client {frame.client}: version {frame.version} was never published")
                if before is not None and before.version and before[4:8] == frame[4:8]:
                    findings.add("doubled", f"client {frame.client}: {frame.version} twice")
            before = frame
        if before is not None and number < len(ends):
            _check_age(findings, before, ends[number], grace)
    return findings


def _check_age(findings: Findings, before: Frame | None, now: float, grace: float) -> None:
    """Whether the data of a frame were shown beyond their age without a mark."""
    if before is not None and not before.stale and now > before.good_until + grace:
        late = now - before.good_until
        findings.add("unmarked", f"client {before.client}: {late:.1f} s beyond its age")
