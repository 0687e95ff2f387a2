"""Encrypt every secret in the database again with the first of SPOT_SECRET_KEYS, so that the others can be removed."""

from itertools import chain
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from providers import vault
from providers.models import Sealed


class Command(BaseCommand):
    help = "Encrypt keys and signing secrets with the first of SPOT_SECRET_KEYS, so that the others can be removed."

    def handle(self, **_options: Any) -> None:
        locked = []
        sealed = [model for model in apps.get_models() if issubclass(model, Sealed)]
        for key in chain.from_iterable(model._default_manager.all() for model in sealed):
            try:
                key.token = vault.relock(key.token)
            except vault.Locked:
                locked.append(str(key))
            else:
                key.save(update_fields=["token"])
        if locked:
            raise CommandError(f"none of SPOT_SECRET_KEYS decrypts {', '.join(locked)}: enter them again in the admin")
        self.stdout.write("every key and signing secret is encrypted with the first of SPOT_SECRET_KEYS")
        self.stdout.write("keys of clients that were made before it stop working when the others are removed")
