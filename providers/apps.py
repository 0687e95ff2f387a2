"""The app: registers its system checks, and creates the settings row of every provider."""

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.db.models.signals import post_migrate

import providers
from providers.datasets import KINDS
from providers.roles import make_observers


class ProvidersConfig(AppConfig):
    name = "providers"
    verbose_name = "Market data providers"

    def ready(self) -> None:
        from providers import checks  # noqa: F401, PLC0415 - importing registers them, and they need models

        post_migrate.connect(make_rows, sender=self)
        post_migrate.connect(make_observers, sender=self)  # after Django's own receiver, which creates the permissions


def make_rows(using: str, apps: Apps = installed, **_kwargs: object) -> None:
    """Create the missing settings row of each provider and order of each kind: the admin changes rows and adds none.

    `flush` sends the signal as well, without `apps`.
    """
    try:
        rows = apps.get_model("providers", "ProviderSettings").objects.using(using)
        orders = apps.get_model("providers", "Chain").objects.using(using)
    except LookupError:
        return  # migrated backwards, to before these tables existed
    for provider in providers.all():
        rows.get_or_create(name=provider.name)
    for kind in ordered_kinds():
        orders.get_or_create(kind=kind)


def ordered_kinds() -> list[str]:
    """The kinds of which the operator chooses the order of providers: those for which one can replace another."""
    real = (provider for provider in providers.all() if not provider.simulated)
    kinds = {endpoint.kind for provider in real for endpoint in provider.endpoints}
    return sorted(kind for kind in kinds if not (KINDS[kind].of_provider or KINDS[kind].optional))
