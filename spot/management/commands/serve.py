"""`manage.py serve`: the web process, for HTTP and WebSockets, with uvicorn or daphne."""

import socket
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spot.server import listening


class Command(BaseCommand):
    help = "Serve HTTP and WebSockets on SPOT_BIND and PORT, with the server that SPOT_SERVER names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--fd", type=int, help="an inherited, listening socket to use instead of SPOT_BIND and PORT"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        listening.raise_file_limit()
        fd = options["fd"]
        try:
            listener = listening.listen(settings.SPOT_BIND, settings.PORT) if fd is None else socket.socket(fileno=fd)
            application = listening.asgi_application(settings.ASGI_APPLICATION, settings.SPOT_TRUSTED_PROXIES)
            listening.serve(settings.SPOT_SERVER, application, listener)
        except listening.CannotServe as error:
            raise CommandError(str(error)) from error
