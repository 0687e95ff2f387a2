"""Runs rows of the table on a bench, one after the other, and words what came of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.chaos.bench import CALLS_PER_MINUTE, Bench
from tests.chaos.history import Findings, check
from tests.chaos.leftovers import left, most_calls, taken
from tests.chaos.rows import Row


@dataclass
class Result:
    """What came of a row; `broken` is empty if it held."""

    row: Row
    findings: Findings
    recovery: float | None
    lost: int
    closes: dict[int, int]
    growth: float
    broken: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def seen(self) -> str:
        """What clients saw, in a few words."""
        parts = [f"{self.findings.frames} frames"]
        parts += [f"{self.findings.stale} marked old"] if self.findings.stale else []
        parts += [f"{count} cut with {code}" for code, count in sorted(self.closes.items())]
        return ", ".join(parts)


def settled(bench: Bench, seconds: float) -> bool:
    """Wait until every client has fresh data."""
    crowd = bench.crowd
    assert crowd is not None
    return bench.wait(seconds, lambda: crowd.fresh() == len(crowd.clients))


def run(bench: Bench, row: Row) -> Result:
    """Break, heal, wait for every client, and judge."""
    crowd = bench.crowd
    assert crowd is not None
    broken = [] if settled(bench, 90) else ["the site had not recovered from the row before"]
    # What the web process says of itself is up to so many seconds old.
    delay = 11 if row.visitors else 0
    bench.wait(delay)
    bench.notes.clear()
    bench.skipped = ""
    before, began = taken(bench, whole=row.visitors), time.time()
    marks = crowd.mark()
    crowd.late = 0.0
    memory = bench.rss_mb("web") + bench.rss_mb("worker")
    try:
        row.act(bench)
    except Exception as error:  # the other rows are still to be run
        broken.append(f"{type(error).__name__}: {error}")
        bench.heal()
    everybody = len(crowd.clients)
    # What was fetched before the fault ended proves nothing, except where nothing stood in the way of fetching.
    back = bench.wait(max(row.recovery * 2, 30), lambda: crowd.fresh(bench.healed) == everybody)
    recovery = time.time() - bench.healed if back else None
    lost = everybody - crowd.fresh(bench.healed)
    bench.wait(1)
    heard, ends, closes, errors = crowd.since(marks)
    findings = check(heard, bench.published, ends, 7.0 if row.dated else float("inf"))
    growth = bench.rss_mb("web") + bench.rss_mb("worker") - memory
    bench.wait(bench.healed + delay - time.time())
    if not bench.wait(30, lambda: not left(before, taken(bench, whole=row.visitors))):
        broken += [f"left behind: {words}" for words in left(before, taken(bench, whole=row.visitors))]
    calls = most_calls([at for at in bench.calls_of_all_kinds() if at > began - 60]) if row.dated else 0
    broken += [f"{calls} calls in a minute, {CALLS_PER_MINUTE} are allowed"] if calls > CALLS_PER_MINUTE else []
    broken += dict.fromkeys(bench.notes)
    broken += [] if recovery is not None and recovery <= row.recovery else [f"not fresh within {row.recovery:g} s"]
    broken += findings.words
    broken += [f"the clients' own thread was {crowd.late:.1f} s late"] if findings.words and crowd.late > 1 else []
    broken += [f"closed with {code}" for code in closes.keys() - row.closes]
    broken += [f"{len(errors)} errors, such as {errors[0]}"] if errors else []
    broken += ["nobody was told that the data are old"] if row.marked and not findings.stale else []
    broken += [f"grew by {growth:.0f} MB"] if growth > row.growth else []
    return Result(row, findings, recovery, lost, dict(closes), growth, broken, bench.skipped)


HEAD = f"{'row':5} {'fault':45} {'back':>6} {'lost':>4} {'back-':>5} {'torn':>4} {'doub':>4} {'unm':>4} {'MB':>5}  held"


def line(result: Result) -> str:
    """A line of the table, and below it what did not hold."""
    found = result.findings
    back = "never" if result.recovery is None else f"{result.recovery:.1f}s"
    first = (
        f"{result.row.number:5} {result.row.fault:45} {back:>6} {result.lost:4} {found.back:5} "
        f"{found.torn + found.foreign:4} {found.doubled:4} {found.unmarked:4} {result.growth:+5.0f}  "
        f"{'held' if not result.broken else 'FELL'}; {result.seen}"
    )
    if result.skipped:
        first = f"{result.row.number:5} {result.row.fault:45} skipped: {result.skipped}"
    return "\n".join([first, *(f"        {words}" for words in result.broken)])


def run_all(bench: Bench, rows: Iterable[Row]) -> Iterator[Result]:
    """Run rows and print each as it comes."""
    sys.stdout.write(HEAD + "\n")
    for row in rows:
        result = run(bench, row)
        sys.stdout.write(line(result) + "\n")
        sys.stdout.flush()
        yield result
