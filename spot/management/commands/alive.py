"""`manage.py alive`: tests whether the worker or the stream process is alive, for containers without a web server."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from providers.streams import stream_state
from spot import snapshots
from spot.web.health import WORKER_SILENT_MS

SILENT = {"worker": "No worker has run a task lately.", "stream": "No stream process was alive lately."}


class Command(BaseCommand):
    help = "Exit with 0 if a worker has run a task, or a stream process was alive, in the last half minute."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("part", nargs="?", default="worker", choices=list(SILENT), help="default: worker")

    def handle(self, *_args: Any, **options: Any) -> None:
        part = options["part"]
        try:
            seen = snapshots.worker_seen_ms() if part == "worker" else stream_state.seen_ms(snapshots.connection())
        except (RedisError, OSError) as error:
            raise CommandError(f"Redis does not answer: {type(error).__name__}") from error
        if seen is None or snapshots.now_ms() - seen > WORKER_SILENT_MS:
            raise CommandError(SILENT[part])
