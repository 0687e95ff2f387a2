"""`manage.py backup`: the site in one file, while it runs."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from spot.rescue import archive, operations


def mounts() -> str:
    """The mounted file systems of this machine, as Linux lists them; "" elsewhere."""
    table = Path("/proc/mounts")
    return table.read_text() if table.exists() else ""


def in_memory(path: Path, table: str) -> bool:
    """Whether the file system of a path is one in memory, as that of SPOT_HOME is under Compose. Pure."""
    kinds = {Path(line.split()[1]): line.split()[2] for line in table.splitlines()}
    return next((kinds[folder] for folder in path.parents if folder in kinds), "") in {"tmpfs", "ramfs"}


class Command(BaseCommand):
    help = (
        "Write a backup: database, and what in Redis is not fetched again. Provider keys stay encrypted in it; the "
        "master key is not in it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", metavar="PATH", help="a new file, a folder, or - for the standard output")
        parser.add_argument("--keep", type=int, metavar="N", help="remove all but the N newest backups of the folder")

    def handle(self, *_args: Any, to: str | None, keep: int | None, **_options: Any) -> None:
        folder = Path(to).expanduser() if to else settings.SPOT_HOME / "backups"
        try:
            if to == "-":
                if keep is not None:
                    raise CommandError("--keep needs a folder: it removes backups from there.")
                self._say(operations.back_up(sys.stdout.buffer), "the standard output")
                return
            if to is None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._path(folder, keep)
            with archive.draft(path) as file:
                made = operations.back_up(file)
        except archive.Unusable as error:
            raise CommandError(f"No backup was made. {error}") from None
        except OSError as error:
            raise CommandError(f"No backup was made: {error.filename or folder}: {error.strerror}.") from None
        self._say(made, f"{path} ({path.stat().st_size:,} bytes)")
        if in_memory(path.resolve(), mounts()):
            self.stderr.write(
                f"{path.parent} is in memory and ends with this container or machine: copy the file, or write it to "
                "the standard output with --to - instead."
            )
        for old in operations.prune(folder, keep) if keep is not None else ():
            self.stderr.write(f"Removed {old}")

    @staticmethod
    def _path(to: Path, keep: int | None) -> Path:
        if to.is_dir():
            if keep is not None and keep < 1:
                raise CommandError("--keep must be a whole number, 1 or more.")
            return operations.named(to)
        if keep is not None:
            raise CommandError(f"--keep needs a folder, and {to} is none: it removes older backups from there.")
        if to.exists():
            raise CommandError(f"{to} exists: name a new file, or a folder.")
        return to

    def _say(self, made: operations.Made, where: str) -> None:
        self.stderr.write(f"Backed up {made.rows:,} rows and {made.keys:,} keys of Redis to {where}.")
        if made.without_redis:
            self.stderr.write(f"Without Redis, this month's count of calls among it: {made.without_redis.rstrip('.')}.")
        self.stderr.write(
            f"The master key is not in it: it lies in {settings.SPOT_SECRET_KEYS_PLACE}. Keep a copy of it, in another "
            "place than the backup: without it, keys and secrets of the backup cannot be decrypted."
        )
