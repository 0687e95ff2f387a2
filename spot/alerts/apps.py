"""The app: rules, targets and deliveries of alerts."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from providers.roles import make_observers


class AlertsConfig(AppConfig):
    name = "spot.alerts"
    label = "alerts"

    def ready(self) -> None:
        post_migrate.connect(make_observers, sender=self)
