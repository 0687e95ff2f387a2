"""`make chaos`: every row, or those named: `make chaos ARGS="F1 F3 --clients 100"`. Exit code 1 if one fell."""

import argparse
import importlib
import os
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.defences import Changes
    from tests.chaos.rows import Row
    from tests.chaos.run import Result


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("rows", nargs="*", help="numbers of rows; without any, all")
    parser.add_argument("--clients", type=int, default=40, help="clients that look on")
    parser.add_argument("--server", choices=("uvicorn", "daphne"), default="uvicorn")
    parser.add_argument("--list", action="store_true", help="print the rows, and those that are not here")
    parser.add_argument("--keep", action="store_true", help="leave the site's folder with its logs")
    parser.add_argument(
        "--without-defence", action="store_true", help="run each row on a build that lacks its defence; it must fall"
    )
    parser.add_argument("--record", action="store_true", help="write what was seen into docs/faults.md")
    options = parser.parse_args()
    importlib.import_module("tests.environment")  # before any settings are read
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    import django

    django.setup()
    from tests.chaos.defences import DEFENCES
    from tests.chaos.rows import ELSEWHERE, ROWS
    from tests.chaos.surroundings import PRIVATE, private_network
    from tests.environment import pytest_unconfigure

    if options.list:
        sys.stdout.writelines(f"{row.number:5} {row.fault}\n" for row in ROWS)
        sys.stdout.writelines(f"{number:5} not a row. {words}\n" for number, words in ELSEWHERE.items())
        return 0
    unknown = set(options.rows) - {row.number for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; --list prints them")
    rows = [row for row in ROWS if not options.rows or row.number in options.rows]
    if PRIVATE not in os.environ and (command := private_network()) is not None:
        pytest_unconfigure()
        os.execvpe(
            command[0], [*command, sys.executable, "-m", "tests.chaos", *sys.argv[1:]], os.environ | {PRIVATE: "1"}
        )
    try:
        if not options.without_defence:
            return _conclude(_run(rows, {}, options))
        defences = {defence.row: defence for defence in DEFENCES}
        results: list[Result] = []
        for row in rows:
            if row.number in defences:
                sys.stdout.write(f"without: {defences[row.number].defence}\n")
                results += _run([row], defences[row.number].changes, options)
            else:
                sys.stdout.write(f"{row.number}: no defence is declared\n")
        held = [result.row.number for result in results if not result.broken]
        sys.stdout.write(f"{len(results) - len(held)} of {len(results)} fell without their defence\n")
        sys.stdout.write(f"held all the same: {', '.join(held)}\n" if held else "")
        return 1 if held else 0
    finally:
        pytest_unconfigure()


def _run(rows: list["Row"], changes: "Changes", options: argparse.Namespace) -> list["Result"]:
    """Run rows on one site."""
    from tests.chaos.bench import Bench
    from tests.chaos.record import write
    from tests.chaos.run import run_all

    results = []
    bench = Bench(options.clients, changes, SPOT_SERVER=options.server)
    try:
        bench.open()
        for result in run_all(bench, rows):
            results.append(result)
            if options.record and not changes:
                write([result])
        return results
    finally:
        bench.close()
        if options.keep:
            sys.stdout.write(f"logs: {bench.site.home}\n")
        else:
            shutil.rmtree(bench.site.home, ignore_errors=True)


def _conclude(results: list["Result"]) -> int:
    fell = [result.row.number for result in results if result.broken]
    sys.stdout.write(f"{len(results) - len(fell)} of {len(results)} held\n")
    sys.stdout.write(f"fell: {', '.join(fell)}\n" if fell else "")
    return 1 if fell else 0


if __name__ == "__main__":
    sys.exit(main())
