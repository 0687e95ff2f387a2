"""`manage.py restore`: a backup into an empty site, or in place of a stopped one."""

import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spot import snapshots
from spot.management.commands import up
from spot.processes.supervisor import Supervisor
from spot.rescue import operations
from spot.rescue.archive import Unusable


class Command(BaseCommand):
    help = "Restore a backup, of SQLite or PostgreSQL into either. The site must be stopped; all is checked first."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a file that manage.py backup has written, or - for the standard input")
        parser.add_argument(
            "--replace", action="store_true", help="also if the database is in use: its rows are removed"
        )
        parser.add_argument("--locked", action="store_true", help="also if the master key of the backup is lost")

    def handle(self, *_args: Any, file: str, replace: bool, locked: bool, **_options: Any) -> None:
        with given(file) as path:
            try:
                self._restore(path, replace=replace, locked=locked)
            except Unusable as error:
                raise CommandError(str(error)) from None

    def _restore(self, path: Path, *, replace: bool, locked: bool) -> None:
        operations.check(path, locked=locked)
        settings.SPOT_HOME.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = settings.REDIS.address.path == str(settings.SPOT_PRIVATE_SOCKET)
        with up.folder_lock() as lock, Supervisor(self._say, lock.fileno()) as supervisor:
            up.find_redis(supervisor)
            # A private Redis has no other user than the processes that the lock belongs to.
            if not private and (trouble := operations.await_silence(self._say)):
                raise CommandError(trouble)
            restored = operations.restore(path, snapshots.connection(), replace=replace)
        made = datetime.fromtimestamp(restored.head["made_at"] / 1000, UTC)
        self._say(
            f"Restored {restored.rows:,} rows and {restored.keys:,} keys of Redis, of {made:%Y-%m-%d %H:%M} UTC, "
            f"Spot {restored.head['version']}."
        )
        for name, there, here in restored.settings:
            self._say(f"{name} was {there or 'not set'} there, and is {here or 'not set'} here.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)


@contextmanager
def given(file: str) -> Iterator[Path]:
    """The path of a backup, which is read from the standard input first if it is `-`."""
    if file != "-":
        yield Path(file).expanduser()
        return
    with tempfile.NamedTemporaryFile(prefix="spot-restore-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)
