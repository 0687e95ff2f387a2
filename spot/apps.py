"""The app: registers its system checks, and what web processes renew from the database."""

from django.apps import AppConfig


class SpotConfig(AppConfig):
    name = "spot"

    def ready(self) -> None:
        from spot import checks  # noqa: F401, PLC0415 - importing registers them
        from spot.clients import desk  # noqa: PLC0415 - models cannot be imported before the apps are ready
        from spot.clients.roster import roster  # noqa: PLC0415
        from spot.server import listening  # noqa: PLC0415
        from spot.web import numbering  # noqa: PLC0415

        listening.when_draining.append(roster.end)
        desk.renewals.append(numbering.renew)
