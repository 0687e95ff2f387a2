"""The app: registers its system checks."""

from django.apps import AppConfig


class SpotConfig(AppConfig):
    name = "spot"

    def ready(self) -> None:
        from spot import checks  # noqa: F401, PLC0415 - importing registers them
