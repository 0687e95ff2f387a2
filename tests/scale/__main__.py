"""`make drill`: every row, or those named: `make drill ARGS='"web 1" front --clients 100'`. Exit code 1 if one fell."""

import argparse
import sys

from tests.scale.drill import ROWS, run_all
from tests.scale.stack import Stack, wait


def main() -> int:
    parser = argparse.ArgumentParser(prog="make drill")
    parser.add_argument("rows", nargs="*", help="names of rows; without any, all")
    parser.add_argument("--clients", type=int, default=200, help="clients that look on")
    parser.add_argument("--port", type=int, default=8200, help="where the front is published")
    parser.add_argument("--list", action="store_true", help="print the rows")
    parser.add_argument("--no-build", action="store_true", help="use the image spot:latest as it is")
    parser.add_argument("--keep", action="store_true", help="leave the containers as they are at the end")
    options = parser.parse_args()
    if options.list:
        sys.stdout.writelines(f"{row.name}\n" for row in ROWS)
        return 0
    if unknown := set(options.rows) - {row.name for row in ROWS}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; --list prints them")
    stack = Stack(options.port)
    if not options.no_build:
        stack.build()
    try:
        stack.compose("up", "--detach", "--no-build")
        everything = ("web", "worker", "stream", "beat", "front")  # so that clients find all web containers
        if not wait(600, lambda: stack.ready() and all(map(stack.healthy, everything))):
            sys.stderr.write("The stack is not ready after 10 minutes.\n")
            return 1
        rows = [row for row in ROWS if not options.rows or row.name in options.rows]
        results = run_all(stack, options.clients, rows)
    finally:
        if not options.keep:
            stack.compose("down", "--volumes")
    fell = [result.row.name for result in results if result.broken]
    sys.stdout.write(f"{len(results) - len(fell)} of {len(results)} held\n")
    if fell:
        sys.stdout.write(f"fell: {', '.join(fell)}\n")
    return 1 if fell else 0


if __name__ == "__main__":
    sys.exit(main())
