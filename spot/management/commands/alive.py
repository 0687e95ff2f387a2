"""`manage.py alive`: whether Celery works end to end, for the health checks of containers without a web server."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from spot import snapshots
from spot.health import WORKER_SILENT_MS


class Command(BaseCommand):
    help = "Exit with 0 if a worker has run a task in the last half minute."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            seen = snapshots.worker_seen_ms()
        except (RedisError, OSError) as error:
            raise CommandError(f"Redis does not answer: {type(error).__name__}") from error
        if seen is None or snapshots.now_ms() - seen > WORKER_SILENT_MS:
            raise CommandError("No worker has run a task lately.")
