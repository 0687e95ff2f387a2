"""`manage.py alive` in the list of commands; `manage.py` itself answers it, before Django is set up."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spot.processes import alive


class Command(BaseCommand):
    help = "Exit with 0 if a worker has run a task, or a stream process was alive, in the last half minute."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("part", nargs="?", default="worker", choices=list(alive.PARTS), help="default: worker")

    def handle(self, *_args: Any, **options: Any) -> None:
        with settings.REDIS.client() as client:
            if problem := alive.problem(client, options["part"]):
                raise CommandError(problem)
