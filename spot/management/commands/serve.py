"""`manage.py serve`: the web process, for HTTP and WebSockets, with uvicorn or daphne."""

import asyncio
import contextlib
import os
import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spot.hub.hub import Hub
from spot.processes import telemetry
from spot.processes.supervisor import READY
from spot.server import listening

#: So long a process waits for news from Redis before it serves; without Redis it tells those who ask that it has none.
PREPARE_SECONDS = 3.0


class Command(BaseCommand):
    help = "Serve HTTP and WebSockets on SPOT_BIND and PORT, with the server that SPOT_SERVER names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fd", type=int, help="an inherited, listening socket to use instead of SPOT_BIND and PORT"
        )
        parser.add_argument("--number", type=int, default=0, help="which of several web processes this is, from 1")
        parser.add_argument(
            "--ready", type=int, metavar="FD", help="where to write a byte once connections are accepted"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        listening.raise_file_limit()
        fd, ready_fd = options["fd"], options["ready"]
        listening.number = options["number"]
        telemetry.begin("web", listening.number)

        async def prepare() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PREPARE_SECONDS):
                    await Hub.current().nudges.until_begun()

        def ready() -> None:
            if ready_fd is not None:
                os.write(ready_fd, READY)
                os.close(ready_fd)

        try:
            listener = listening.listen(settings.SPOT_BIND, settings.PORT) if fd is None else socket.socket(fileno=fd)
            application = listening.asgi_application(settings.ASGI_APPLICATION, settings.SPOT_TRUSTED_PROXIES)
            listening.serve(settings.SPOT_SERVER, application, listener, listening.Steps(prepare, ready))
        except listening.CannotServe as error:
            raise CommandError(str(error)) from error
