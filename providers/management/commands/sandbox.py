"""`manage.py sandbox`: a stand-in provider with a simulated market, for demos and for tests in other processes."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.sandbox import Limits, Sandbox


class Command(BaseCommand):
    """Serves until SIGINT or SIGTERM."""

    help = "Serve a simulated market over the REST API of a real provider."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options; times in epoch milliseconds."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0 (the default): any free port")
        parser.add_argument("--seed", type=int, default=7, help="seed of the market")
        parser.add_argument(
            "--announce", type=Path, metavar="FILE", help="write the port into this file once it listens"
        )
        parser.add_argument("--at", type=int, metavar="MS", help="start the clock at this time")
        parser.add_argument("--rate", type=float, default=1.0, help="speed of the clock; 0 stops it")
        parser.add_argument("--cache-seconds", type=int, default=1, help="how often answers change")
        parser.add_argument("--per-minute", type=int, default=0, help="calls a minute before 429; 0: no limit")
        parser.add_argument("--plan", choices=["", "demo", "pro"], default="", help="the plan whose keys it accepts")
        parser.add_argument("--key", default="", help="the only key that it accepts")
        parser.add_argument("--hostile-names", action="store_true", help="markup in the names of two large coins")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Start the server, print its address, and wait for a signal."""
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        sandbox = _sandbox(options)
        try:
            sandbox.start()
        except OSError as error:
            raise CommandError(
                f"the sandbox cannot listen on {options['host']}:{options['port']}: {error.strerror}"
            ) from error
        try:
            if options["announce"]:
                announce(options["announce"], sandbox.port)
            self.stdout.write(
                f"sandbox: {len(sandbox.market.coins)} simulated coins at {sandbox.url} (seed {options['seed']})"
            )
            self.stdout.flush()
            stopping.wait()
        finally:
            sandbox.stop()


def _sandbox(options: dict[str, Any]) -> Sandbox:
    limits = Limits(
        plan=options["plan"], key=options["key"], key_required=bool(options["key"]), per_minute=options["per_minute"]
    )
    sandbox = Sandbox(
        options["seed"],
        host=options["host"],
        port=options["port"],
        cache_seconds=options["cache_seconds"],
        limits=limits,
        hostile_names=options["hostile_names"],
    )
    if options["at"] is not None:
        sandbox.clock.set(options["at"])
    sandbox.clock.run(options["rate"])
    return sandbox


def announce(file: Path, port: int) -> None:
    """Write the port atomically, so that no reader finds half a number."""
    draft = file.with_name(file.name + ".new")
    draft.write_text(f"{port}\n")
    draft.replace(file)
