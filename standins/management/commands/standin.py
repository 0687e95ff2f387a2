"""`manage.py standin NAME`: a stand-in for an upstream on this machine, to try things with, and for tests."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

import standins
from providers.management.commands.sandbox import announce
from standins import Running


class Command(BaseCommand):
    """Serves until SIGINT or SIGTERM."""

    help = "Serve a simulated market in the way of one of the providers, REST and stream on one port."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("name", choices=standins.names())
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0 (the default): any free port")
        parser.add_argument("--key", default="", help="the only key that it takes; without, any")
        parser.add_argument("--seed", type=int, default=7, help="which market")
        parser.add_argument(
            "--announce", type=Path, metavar="FILE", help="write the port into this file once it listens"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Start, say where, wait."""
        ending = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ending.set())
        name, wanted = options["name"], {option: options[option] for option in ("key", "seed", "host", "port")}
        standin = standins.get(name)(**wanted)
        try:
            standin.start()
        except OSError as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error.strerror}") from error
        try:
            if options["announce"]:
                announce(options["announce"], standin.port)
            self.stdout.write(f"a stand-in for {name}; to use it:\n{_addresses(name, standin)}")
            self.stdout.flush()
            ending.wait()
        finally:
            standin.stop()


def _addresses(name: str, standin: Running) -> str:
    addresses = {"BASE_URL": standin.url, "STREAM_URL": standin.stream_url}
    return "\n".join(f"{name.upper()}_{setting}={address}" for setting, address in addresses.items() if address)
