"""The app of clients: their keys, plans and usage."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from providers.roles import make_observers


class ClientsConfig(AppConfig):
    name = "spot.clients"
    label = "clients"
    verbose_name = "Clients"

    def ready(self) -> None:
        from spot.clients import records  # noqa: PLC0415 - it needs models

        post_migrate.connect(records.add_protocols, sender=self)
        post_migrate.connect(make_observers, sender=self)
        records.watch(self.get_models())
