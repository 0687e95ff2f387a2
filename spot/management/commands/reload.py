"""`manage.py reload`: replaces the web processes of a running `manage.py up` without a refused connection."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spot.processes.web_processes import CannotReload, note_file, reload


class Command(BaseCommand):
    help = (
        "Replace the web processes of this SPOT_HOME and PORT, then restart worker, beat and stream. New ones accept "
        "connections before the old ones close their sockets (1012) and finish their answers."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            processes = reload(note_file(settings.SPOT_HOME, settings.PORT))
        except CannotReload as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Reloaded: {', '.join(map(str, processes))}")
