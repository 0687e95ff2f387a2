"""The rows of the drill: a container is killed, or replaced, while clients look on through the front."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.crowd import Crowd
from tests.chaos.history import Findings, check
from tests.scale.stack import ROOT, Stack, wait

#: A container that is killed stays away for so long at least, in seconds.
AWAY = 12.0


@dataclass(frozen=True)
class Row:
    """What happens to which container. `service` names its service once the row begins, `number` is its place there.
    `back`: the seconds within which every client must have data that were fetched after the kill; `alone`: nothing
    stands in for it, so that the seconds count from its return; `codes`: how clients may be cut (none: nobody may be);
    `upgrade`: all containers of the service are replaced by deploy/upgrade.sh, and none is killed."""

    name: str
    service: Callable[[Stack], str]
    number: int = 0
    back: float = 30.0
    alone: bool = False
    codes: frozenset[int] = frozenset()
    upgrade: bool = False


def _rows() -> tuple[Row, ...]:
    def of(service: str) -> Callable[[Stack], str]:
        return lambda _stack: service

    cut = frozenset({1006, 1012, 1013})
    return (
        *(Row(f"web {number + 1}", of("web"), number, codes=cut) for number in range(3)),
        *(
            Row(f"{service} {number + 1}", of(service), number)
            for service in ("worker", "stream", "beat")
            for number in range(2)
        ),
        Row("valkey, primary", Stack.primary),
        Row("valkey, primary again", Stack.primary),
        Row("valkey, replica", Stack.replica),
        *(Row(f"sentinel {number}", of(f"sentinel-{number}")) for number in (1, 2, 3)),
        Row("database", of("database"), alone=True),
        Row("front", of("front"), alone=True, codes=cut),
        Row("upgrade of web", of("web"), codes=frozenset({1012}), upgrade=True),
        *(Row(f"upgrade of {service}", of(service), upgrade=True) for service in ("worker", "stream", "beat")),
    )


ROWS = _rows()


@dataclass
class Result:
    """What came of a row; `broken` is empty if it held. `late`: the longest time (seconds) by which the clients' own
    thread was late, since a machine without time for them says nothing of the stack."""

    row: Row
    findings: Findings
    back: float | None
    lost: int
    late: float
    closes: Counter[int]
    after: Counter[int]
    broken: list[str] = field(default_factory=list)


def run(stack: Stack, crowd: Crowd, row: Row) -> Result:
    """Kill or replace, wait for every client, let the container come back, and judge."""
    everybody = len(crowd.clients)
    broken: list[str] = []
    if not wait(180, lambda: crowd.fresh() == everybody):
        broken.append(f"{everybody - crowd.fresh()} clients had no fresh data before")
    time.sleep(2)
    marks = crowd.mark()
    crowd.late = 0.0
    service = row.service(stack)
    container = stack.containers(service)[row.number]
    began = time.time()
    if row.upgrade:
        _upgrade(stack, service, broken)
        began = time.time()
    else:
        stack.kill(container)
    if row.alone:
        time.sleep(AWAY)
        stack.start(container)
        began = time.time()
    wait(row.back * 2, lambda: crowd.fresh(began) == everybody)
    lost = everybody - crowd.fresh(began)
    back = None if lost else time.time() - began
    closes = crowd.since(marks)[2]
    returned = crowd.mark()
    if not (row.alone or row.upgrade):
        time.sleep(max(0.0, began + AWAY - time.time()))
        stack.start(container)
    if not wait(300, lambda: stack.healthy(service)):
        broken.append("the container did not become healthy again")
    began_again = time.time()
    if not wait(row.back, lambda: crowd.fresh(began_again) == everybody):
        broken.append(f"{everybody - crowd.fresh(began_again)} clients had no fresh data after its return")
    heard, ends, _, errors = crowd.since(marks)
    after = crowd.since(returned)[2]
    findings = check(heard, (), ends)
    broken += [] if back is not None and back <= row.back else [f"not fresh within {row.back:g} s"]
    broken += findings.words
    broken += [f"cut with {code}" for code in closes.keys() - row.codes]
    broken += [f"cut with {code} by its return" for code in after if not row.alone]
    broken += [f"{len(errors)} errors, such as {errors[0]}"] if errors else []
    return Result(row, findings, back, lost, crowd.late, closes, after, broken)


def _upgrade(stack: Stack, service: str, broken: list[str]) -> None:
    command = os.environ | stack.environment | {"COMPOSE": " ".join(stack.command), "BUILD": "no"}
    done = subprocess.run(
        [ROOT / "deploy" / "upgrade.sh", service], cwd=ROOT, env=command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        broken.append(f"upgrade.sh: {(done.stderr or done.stdout).strip()[-200:]}")


HEAD = (
    f"{'killed':22} {'back':>6} {'cut':>4} {'lost':>4} {'back-':>5} {'torn':>4} {'doub':>4} {'unm':>4} {'old':>5} "
    f"{'late':>5}  held"
)


def line(result: Result) -> str:
    """A line of the table, and below it what did not hold."""
    found, cut = result.findings, result.closes + result.after
    codes = ", ".join(f"{count} cut with {code}" for code, count in sorted(cut.items()))
    first = (
        f"{result.row.name:22} {'never' if result.back is None else f'{result.back:.1f}s':>6} {cut.total():4} "
        f"{result.lost:4} {found.back:5} {found.torn + found.foreign:4} {found.doubled:4} {found.unmarked:4} "
        f"{found.stale:5} {result.late:4.1f}s  {'held' if not result.broken else 'FELL'}; {found.frames} frames"
        f"{codes and ', ' + codes}"
    )
    return "\n".join([first, *(f"        {words}" for words in result.broken)])


def run_all(stack: Stack, clients: int, rows: list[Row]) -> list[Result]:
    """Let clients come, run rows, and print each as it comes."""
    crowd = Crowd(stack.port, clients)
    results = []
    try:
        sys.stdout.write(HEAD + "\n")
        for row in rows:
            results.append(run(stack, crowd, row))
            sys.stdout.write(line(results[-1]) + "\n")
            sys.stdout.flush()
    finally:
        crowd.close()
    return results
