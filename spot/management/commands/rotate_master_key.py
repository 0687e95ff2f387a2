"""`manage.py rotate_master_key`: a new master key, beside the old one until every secret is encrypted with it."""

import errno
import secrets
from argparse import ArgumentParser
from itertools import chain
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from providers import vault
from providers.models import Sealed
from spot.clients.models import ClientKey
from spot.rescue import archive


class Command(BaseCommand):
    help = "Put a new master key first in the file of SPOT_SECRET_KEYS; --drop-old removes the others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--drop-old", action="store_true", help="once every secret opens with the new one alone")
        parser.add_argument("--client-keys-too", action="store_true", help="older client keys may stop working")

    def handle(self, *_args: Any, drop_old: bool, client_keys_too: bool, **_options: Any) -> None:
        place = settings.SPOT_SECRET_KEYS_PLACE
        if place == "SPOT_SECRET_KEYS":
            raise CommandError(
                "SPOT_SECRET_KEYS is set in the environment, which this command cannot change: put a new secret before "
                f"the others there, such as {secrets.token_urlsafe(48)}"
            )
        path = Path(place)
        if not path.exists():
            raise CommandError(f"There is no master key at {path}. Set SPOT_HOME to the folder of the site.")
        if drop_old:
            self._check(client_keys_too=client_keys_too)
            self._write(path, settings.SPOT_SECRET_KEYS[:1])
            self.stdout.write(f"{path} has the new master key only. Copy it to where the old one was kept, and reload.")
            return
        self._write(path, [secrets.token_urlsafe(48), *settings.SPOT_SECRET_KEYS])
        self.stdout.write(
            f"{path} has a new master key before the old one. Next: manage.py reload (or restart), then manage.py "
            "reencrypt_keys, then manage.py rotate_master_key --drop-old. Copy the file to where the old key is kept."
        )

    @staticmethod
    def _check(*, client_keys_too: bool) -> None:
        if len(settings.SPOT_SECRET_KEYS) == 1:
            raise CommandError("There is one master key only: manage.py rotate_master_key makes a new one.")
        sealed = [model for model in apps.get_models() if issubclass(model, Sealed)]
        rows = chain.from_iterable(model._default_manager.all() for model in sealed)
        if old := [str(row) for row in rows if not vault.is_newest(row.token)]:
            raise CommandError(
                f"Encrypted with an old master key: {', '.join(old)}. Run manage.py reencrypt_keys first."
            )
        count = ClientKey.objects.filter(revoked_at=None).count()
        if count and not client_keys_too:
            raise CommandError(
                f"{count} client keys stop working if they were made before the new master key: replace those in the "
                "admin, then add --client-keys-too."
            )

    @staticmethod
    def _write(path: Path, keys: list[str]) -> None:
        try:
            with archive.draft(path) as file:
                file.write("\n".join(keys).encode())
        except OSError as error:
            remedy = ""
            if error.errno == errno.EROFS:
                remedy = " With Compose: docker compose run --rm rescue python manage.py rotate_master_key."
            raise CommandError(f"{path} cannot be written: {error.strerror}.{remedy}") from None
