"""`manage.py fork_server`: the process that forks the parts after a reload, for `manage.py up` alone."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from spot.management.commands.up import PARTS, import_parts
from spot.processes import fork_server


class Command(BaseCommand):
    help = "Import what the parts named import, and fork them for the supervisor at the other end of a descriptor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
        parser.add_argument("--fd", type=int, required=True, help="the channel to the supervisor")

    def handle(self, *_args: Any, **options: Any) -> None:
        import_parts(options["parts"])
        fork_server.serve(options["fd"])
