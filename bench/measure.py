"""One measurement: a server started afresh, clients connected, broadcasts paced by the last client to have each."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cases import Case
from bench.contenders import Contender, Run, running
from bench.machine import Missing, compiled, workshop

Result = dict[str, Any]
PAGE_KB = os.sysconf("SC_PAGESIZE") // 1024


def measure(contender: Contender, case: Case, milliseconds: int) -> Result:
    """What the load generator reports (see load.c); CPU and memory are those of all processes of the server side."""
    with running(contender, case, workshop() / f"{contender.name}-{case.key}") as run:
        with load(contender, run, ["-d", str(milliseconds), *(["-1"] if contender.first else [])]) as process:
            said, wrong = process.communicate(timeout=300)
        if process.returncode or not said:
            raise Missing(f"the load generator ended: {wrong.decode()[-200:]}")
        result: Result = json.loads(said)
        if result["deliveries"] == 0:
            raise Missing(f"nothing was delivered ({result['trouble']}): {run.last_words()}")
        return result


def load(contender: Contender, run: Run, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """The load generator, started against a run."""
    case = run.case
    targets = run.folder / "targets"
    count = case.clients if contender.each else case.groups
    targets.write_text("".join(f"{contender.target(case, group)}\n" for group in range(count)))
    words = [
        *(compiled("load"), "-p", run.port, "-f", targets, "-n", case.clients, "-t", run.tick.fileno()),
        *("-P", ",".join(str(process.pid) for process in run.server)),
        *(["-z"] if case.deflate else []),
        *(["-S"] if contender.name == "spot-sse" else []),
        *options,
    ]
    return subprocess.Popen(
        [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[run.tick.fileno()]
    )


def slow_readers(contender: Contender, case: Case, mutes: int) -> Result:
    """Of the case's clients the first `mutes` never read: what that costs the server in memory, how long it lasts, and
    what the other clients notice."""
    with running(contender, case, workshop() / f"{contender.name}-slow") as run:
        options = ["-1", "-x", str(mutes), "-d", "13000", "-i", "250", "-w", "0"]
        with load(contender, run, options) as process:
            watched = _watch(run, process, case.clients, mutes)
            said, _wrong = process.communicate(timeout=60)
        return {**json.loads(said), **watched, "mutes": mutes}


def _watch(run: Run, process: subprocess.Popen[bytes], clients: int, mutes: int) -> Result:
    """Until the generator ends: how much the web process grew, and when the sockets that nobody reads were closed."""
    web = Path(f"/proc/{run.server[-1].pid}")
    connected = peak = idle = 0
    began = gone = 0.0
    while process.poll() is None:
        sockets = sum(1 for _ in (web / "fd").iterdir())
        memory = resident_kb(run.server[-1].pid)
        if not connected and sockets >= clients:
            connected, idle, began = sockets, memory, time.monotonic()
        elif connected:
            connected, peak = max(connected, sockets), max(peak, memory)  # the last of them may still have been coming
            if not gone and sockets <= connected - mutes:
                gone = time.monotonic() - began
        time.sleep(0.1)
    return {"grown_kb": peak - idle, "gone_s": gone or None}


def resident_kb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB


def cpu_ns(pids: list[int]) -> int:
    """Nanoseconds of CPU that the processes have had, all their threads together."""
    total = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                total += int(path.read_text().split()[0])
    return total
