"""From a provider's answer, or its tick, to the last of many clients: the whole way, with a real site.

The polled provider is the sandbox with 500 coins, asked each second in two pages. It writes the time into the second
page just before that leaves; the clients' view begins with that page's last coin, so that the load generator finds the
time in each frame (load.c). `python -m bench.flow`; `--clients 1` shows what the fan-out adds.

With `--streamed` the market is polled once, and Token Metrics' stand-in sends a price of its first coin whenever the
generator asks for one, no sooner than the sink would publish another. `--gap 200` asks sooner, so that conflation is
seen.
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
from standins.tokenmetrics import Tokenmetrics

#: A page of 40 coins is 16 KB; the last coin of the market is the first of it.
_VIEW = {
    "per_page": 500,
    "sort_by": "market_cap",
    "sort_order": "asc",
    "page": 1,
    "page_size": 40,
    "sparkline": "false",
}
COIN = "bitcoin"
_PRICES = ("price", "price_in_usd", "price_against_side_currency")
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


def serve_stream(polled: int, streamed: int) -> None:
    """Serve until standard input ends; with each byte of it, send a price that was not sent before."""
    with Sandbox(port=polled), Tokenmetrics(port=streamed, pulse_seconds=0, plan="vip") as standin:
        print("ready", flush=True)
        number = 0
        while os.read(0, 1):
            standin.until(lambda: any(COIN in peer.memory.get("tokens", ()) for peer in standin.peers), 60)
            number += 1
            frame = standin.frame(COIN)
            standin.say(frame | dict.fromkeys(_PRICES, round(frame["price"] * (1 + number % 100 / 1e5), 2)))


def _site(run: Run, *parts: str, **settings: str) -> None:
    env = spot_environment(run) | {"COINGECKO_CALLS_PER_MINUTE": "0", "COINGECKO_CALLS_PER_MONTH": "0"} | settings
    prepared = subprocess.run(
        [sys.executable, "manage.py", "prepare"], env=os.environ | env, capture_output=True, check=False
    )
    if prepared.returncode:
        raise Missing(f"the database could not be prepared: {prepared.stderr[-200:]!r}")
    run.start(sys.executable, "manage.py", "serve", env=env)
    run.start(sys.executable, "manage.py", "up", *parts, env=env)


def start_polled(run: Run) -> None:
    """A whole site, polling the stamped provider each second."""
    port = free_port()
    run.publisher(sys.executable, "-m", "bench.flow", "--serve", str(port))
    _site(run, "worker", "beat", COINGECKO_BASE_URL=f"http://127.0.0.1:{port}/api/v3", SPOT_POLL_SECONDS="1")


def start_streamed(run: Run) -> None:
    """A whole site that follows the stream."""
    polled, streamed = free_port(), free_port()
    run.publisher(sys.executable, "-m", "bench.flow", "--serve", str(polled), str(streamed))
    _site(
        run, "worker", "beat", "stream", SPOT_POLL_SECONDS="600",
        COINGECKO_BASE_URL=f"http://127.0.0.1:{polled}/api/v3", TOKENMETRICS_API_KEY="bench", TOKENMETRICS_PLAN="vip",
        TOKENMETRICS_BASE_URL=f"http://127.0.0.1:{streamed}/v2", TOKENMETRICS_STREAM_URL=f"ws://127.0.0.1:{streamed}",
    )  # fmt: skip


def measure(clients: int, milliseconds: int, *, gap: int = 0) -> Result:
    """What the load generator reports of one run; with a `gap`, in milliseconds, of streamed prices so far apart."""
    case = Case(clients, 16)
    view = _VIEW | {"sort_order": "desc"} if gap else _VIEW
    target = f"{PATH}?{urlencode(view)}"
    contender = Contender("flow", "Spot, whole", start_streamed if gap else start_polled, lambda *_: target, first=True)
    options = ["-1", "-w", "5000", "-d", str(milliseconds)]
    options += ["-k", '"Bitcoin",', "-i", str(gap), "-o", "90000"] if gap else []
    with running(contender, case, workshop() / f"flow-{clients}") as run:
        with load(contender, run, options) as process:
            said, wrong = process.communicate(timeout=300)
        if process.returncode or not said:
            raise Missing(f"the load generator ended: {wrong.decode()[-200:]}; {run.last_words()}")
        result: Result = json.loads(said)
        return result


def main() -> None:
    """Print what the load generator reports of each run."""
    parser = argparse.ArgumentParser(prog="python -m bench.flow", description=__doc__)
    parser.add_argument("--serve", type=int, nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--streamed", action="store_true", help="from a tick of a stream")
    parser.add_argument("--gap", type=int, default=700, help="milliseconds between two ticks")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    if options.serve:
        (serve_stream if len(options.serve) == 2 else serve)(*options.serve)
        return
    machine.raise_file_limit()
    try:
        gap, milliseconds = options.gap if options.streamed else 0, int(options.seconds * 1000)
        rounds = [measure(options.clients, milliseconds, gap=gap) for _ in range(options.rounds)]
    except Missing as why:
        sys.exit(str(why))
    finally:
        shutil.rmtree(workshop(), ignore_errors=True)
    for one in rounds:
        print(json.dumps(one))


if __name__ == "__main__":
    main()
