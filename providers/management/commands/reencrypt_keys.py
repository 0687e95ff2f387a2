"""Encrypt every provider key again with the first of SPOT_SECRET_KEYS, so that the others can be removed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from providers import vault
from providers.models import ApiKey


class Command(BaseCommand):
    help = "Encrypt the provider keys with the first of SPOT_SECRET_KEYS, so that the others can be removed."

    def handle(self, **_options: Any) -> None:
        locked = []
        for key in ApiKey.objects.select_related("provider"):
            try:
                key.token = vault.relock(key.token)
            except vault.Locked:
                locked.append(str(key))
            else:
                key.save(update_fields=["token"])
        if locked:
            raise CommandError(f"none of SPOT_SECRET_KEYS decrypts {', '.join(locked)}: enter them again in the admin")
        self.stdout.write("every provider key is encrypted with the first of SPOT_SECRET_KEYS")
