"""`make bench`: everything side by side on this machine, in rounds. `make bench ARGS="--help"` has the options."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from pathlib import Path

from bench import flow, http, idle, machine, queries, report, rest
from bench.cases import Case, cases
from bench.contenders import CONTENDERS
from bench.machine import Missing
from bench.measure import measure, slow_readers
from bench.report import Results, case_table

#: The last two are run by name only.
PARTS = ("all", "fanout", "queries", "slow", "http", "rest", "flow", "idle", "many")
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1,000 clients and 16 KB only: a few minutes")
    parser.add_argument("--write", action="store_true", help="write the results into docs/performance.md")
    parser.add_argument("--rounds", type=int, default=3, help="medians are of so many (3)")
    parser.add_argument("--milliseconds", type=int, help="of each measurement (1200; quick: 800)")
    parser.add_argument("--minutes", type=float, default=22, help="begin no new case after so long (22)")
    parser.add_argument("--only", default="", help="servers, comma-separated: " + ",".join(CONTENDERS))
    parser.add_argument("--clients", default="", help="numbers of clients, such as 1 or 1000,5000 (both; quick: 1000)")
    parser.add_argument("--cases", default="", help="cases whose key contains this, such as 1000-16k-1g")
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--beside", type=Path, help="with --part idle: another checkout of Spot to measure beside this")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    return parser.parse_args()


def chosen(args: argparse.Namespace, files: int, results: Results) -> list[Case]:
    """The cases asked for that this machine has the file descriptors for."""
    usual = "1000" if args.quick else "1000,5000"
    clients = [int(count) for count in (args.clients or usual).split(",")]
    possible = [count for count in clients if files >= count + 500]
    for count in set(clients) - set(possible):
        results.notes.append(f"{count:,} clients cannot be had: a process may open {files:,} files here (ulimit -Hn).")
    return [case for case in cases(tuple(possible), quick=args.quick) if args.cases in case.key] if possible else []


def one_case(case: Case, args: argparse.Namespace, results: Results) -> None:
    """A B C, A B C, A B C."""
    only = args.only.split(",") if args.only else case.servers
    milliseconds = args.milliseconds or (800 if args.quick else 1200)
    for _ in range(args.rounds):
        for name in case.servers:
            if name not in only or (case, name) in results.missing:
                continue
            try:
                results.add(case, name, measure(CONTENDERS[name], case, milliseconds))
            except Missing as why:
                results.missing[case, name] = str(why)


def fan_out(args: argparse.Namespace, files: int, results: Results, began: float) -> None:
    """Every case, each shown as soon as it is known."""
    machine.compiled("load")
    for case in chosen(args, files, results):
        if time.monotonic() - began > args.minutes * 60:
            results.notes.append(f"Not measured for want of time: {case.title}.")
            continue
        one_case(case, args, results)
        print(case_table(results, case), end="\n\n", flush=True)


def query_side(args: argparse.Namespace, results: Results) -> None:
    """Decode, evaluate, encode."""
    for count in queries.SIZES[:1] if args.quick else queries.SIZES:
        results.queries.append((f"{count:,} coins", queries.compare(count)))
    results.queries.append(("500 coins with charts", queries.compare(500, sparklines=True)))
    results.delta = queries.delta_bytes()


def over_http(args: argparse.Namespace, results: Results) -> None:
    """A feed over HTTP."""
    try:
        results.http = http.compare(args.rounds)
    except Missing as why:
        results.notes.append(f"A feed over HTTP: {why}")


def foreign(args: argparse.Namespace, results: Results) -> None:
    """CoinGecko's REST API."""
    try:
        results.rest = rest.compare(args.rounds)
    except Missing as why:
        results.notes.append(f"CoinGecko's REST API: {why}")


def whole_way(args: argparse.Namespace, results: Results) -> None:
    """From a provider's answer to the last client."""
    try:
        results.flow = [flow.measure(1000, 20_000) for _ in range(args.rounds)]
    except Missing as why:
        results.notes.append(f"From a provider's answer to the last client: {why}")


def never_read(results: Results) -> None:
    """Clients that never read."""
    try:
        results.slow = slow_readers(CONTENDERS["spot"], Case(1000, 128), 100)
    except Missing as why:
        results.notes.append(f"Clients that never read: {why}")


def main() -> None:
    """Run what was asked for, print it, and leave nothing behind."""
    args, results, began = options(), Results(), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that no server is left behind
    files = machine.raise_file_limit()
    try:
        if args.part in ("idle", "many"):
            machine.compiled("load")
            for line in [idle.compare(args.rounds, args.beside)] if args.part == "idle" else idle.many(files):
                print(line, flush=True)
            return
        if args.part in ("all", "queries"):
            query_side(args, results)
        if args.part in ("all", "http"):
            over_http(args, results)
        if args.part in ("all", "rest"):
            foreign(args, results)
        if args.part in ("all", "flow"):
            whole_way(args, results)
        if args.part in ("all", "slow"):
            never_read(results)
        if args.part in ("all", "fanout"):
            fan_out(args, files, results, began)
    except Missing as why:
        sys.exit(str(why))
    finally:
        shutil.rmtree(machine.workshop(), ignore_errors=True)
    text = report.whole(results, machine.description(), args.rounds, (time.monotonic() - began) / 60)
    print(text)
    if args.json:
        args.json.write_text(
            json.dumps({f"{case.key} {name}": rounds for (case, name), rounds in results.rounds.items()}, indent=1)
        )
    if args.write:
        report.write(DOCUMENT, text)


if __name__ == "__main__":
    main()
