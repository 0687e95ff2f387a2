"""From a provider's answer to the last of many clients: the whole way, with a real worker, beat and web process.

The provider is the sandbox with 500 coins, asked each second in two pages. It writes the time into the second page just
before that leaves; the clients' view begins with that page's last coin, so that the load generator finds the time in
each frame (load.c). `python -m bench.flow`; `--clients 1` shows what the fan-out adds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from urllib.parse import urlencode

from bench import machine
from bench.cases import Case
from bench.contenders import Contender, Run, free_port, running, spot_environment
from bench.machine import Missing, workshop
from bench.market import MARK, PATH
from bench.measure import Result, load
from providers.sandbox import Sandbox
from providers.sandbox.faults import Fault
from providers.sandbox.reply import Reply

#: A page of 40 coins is 16 KB; the last coin of the market is the first of it.
_VIEW = {
    "per_page": 500,
    "sort_by": "market_cap",
    "sort_order": "asc",
    "page": 1,
    "page_size": 40,
    "sparkline": "false",
}
_IMAGE = re.compile(rb'"image":(?:null|"[^"]*")')


class Stamped(Sandbox):
    """Writes the time into the last coin of the second page of the market."""

    def reply(self, target: str, headers: dict[str, str]) -> tuple[Reply, Fault | None]:
        reply, fault = super().reply(target, headers)
        if "/coins/markets" not in target or "page=2" not in target or reply.status != 200:
            return reply, fault
        image = list(_IMAGE.finditer(reply.body))[-1]
        stamp = f'"image":"https://images.example/last.png{MARK}{time.monotonic_ns():019d}"'.encode()
        body = reply.body[: image.start()] + stamp + reply.body[image.end() :]
        return reply.with_body(body), fault


def serve(port: int) -> None:
    """Serve until standard input ends. The generator's ticks are read and dropped: the worker sets the pace."""
    with Stamped(port=port):
        print("ready", flush=True)
        while os.read(0, 1):
            pass


def start(run: Run) -> None:
    """A whole site, polling the stamped provider each second."""
    port = free_port()
    run.publisher(sys.executable, "-m", "bench.flow", "--serve", str(port))
    env = spot_environment(run) | {
        "COINGECKO_BASE_URL": f"http://127.0.0.1:{port}/api/v3",
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "COINGECKO_CALLS_PER_MONTH": "0",
        "SPOT_POLL_SECONDS": "1",
    }
    prepared = subprocess.run(
        [sys.executable, "manage.py", "prepare"], env=os.environ | env, capture_output=True, check=False
    )
    if prepared.returncode:
        raise Missing(f"the database could not be prepared: {prepared.stderr[-200:]!r}")
    run.start(sys.executable, "manage.py", "serve", env=env)
    run.start(sys.executable, "manage.py", "up", "worker", "beat", env=env)


def measure(clients: int, milliseconds: int) -> Result:
    """What the load generator reports of one run."""
    case = Case(clients, 16)
    target = f"{PATH}?{urlencode(_VIEW)}"
    contender = Contender("flow", "Spot, whole", start, lambda *_: target, first=True)
    with running(contender, case, workshop() / f"flow-{clients}") as run:
        with load(contender, run, ["-1", "-w", "5000", "-d", str(milliseconds)]) as process:
            said, wrong = process.communicate(timeout=300)
        if process.returncode or not said:
            raise Missing(f"the load generator ended: {wrong.decode()[-200:]}; {run.last_words()}")
        result: Result = json.loads(said)
        return result


def main() -> None:
    """Print what the load generator reports of each run."""
    parser = argparse.ArgumentParser(prog="python -m bench.flow", description=__doc__)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    machine.raise_file_limit()
    try:
        rounds = [measure(options.clients, int(options.seconds * 1000)) for _ in range(options.rounds)]
    except Missing as why:
        sys.exit(str(why))
    finally:
        shutil.rmtree(workshop(), ignore_errors=True)
    for one in rounds:
        print(json.dumps(one))


if __name__ == "__main__":
    main()
