"""`manage.py standin NAME`: a stand-in for an upstream on this machine, for trials and tests."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

import standins
from providers.management.commands.sandbox import announce
from standins import Upstream


class Command(BaseCommand):
    """Serves until SIGINT or SIGTERM."""

    help = "Serve a simulated market with the protocol of one of the providers, REST and stream on one port."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        parser.add_argument("name", choices=standins.names())
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0 (the default): any free port")
        parser.add_argument("--key", default="", help="the only key that it accepts; default: any")
        parser.add_argument("--seed", type=int, default=7, help="seed of the market")
        parser.add_argument(
            "--announce", type=Path, metavar="FILE", help="write the port into this file once it listens"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Start the server, print its addresses, and wait for a signal."""
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        name, arguments = options["name"], {option: options[option] for option in ("key", "seed", "host", "port")}
        standin = standins.get(name)(**arguments)
        try:
            standin.start()
        except OSError as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error.strerror}") from error
        try:
            if options["announce"]:
                announce(options["announce"], standin.port)
            self.stdout.write(f"a stand-in for {name}; to use it:\n{_addresses(name, standin)}")
            self.stdout.flush()
            stopping.wait()
        finally:
            standin.stop()


def _addresses(name: str, standin: Upstream) -> str:
    addresses = {"BASE_URL": standin.url, "STREAM_URL": standin.stream_url}
    return "\n".join(f"{name.upper()}_{setting}={address}" for setting, address in addresses.items() if address)
