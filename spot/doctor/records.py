"""Checks of the database: reachable, migrated, and its secrets decrypted; and whom a closed site serves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone

from providers import reachable
from providers.errors import ProviderError
from providers.models import Sealed
from providers.vault import Locked
from spot.alerts.models import Target
from spot.clients.models import ClientKey, ClientPlan
from spot.doctor.findings import Finding
from spot.doctor.site import Site

_PREPARE = "Run manage.py prepare; make run and the service migrate of Compose do so at each start."


def database(site: Site) -> Iterator[Finding]:
    """Whether the database can be read; a file of SQLite is made by the first start."""
    if not site.database_trouble:
        return
    fresh = "sqlite3" in settings.DATABASES["default"]["ENGINE"] and not site.runs
    level, mend = ("warning", _PREPARE) if fresh else ("problem", "Start it, or correct DATABASE_URL or SPOT_HOME.")
    yield Finding("database", level, f"The database cannot be opened: {site.database_trouble}.", mend)  # type: ignore[arg-type]


def migrations(_site: Site) -> Iterator[Finding]:
    """Whether the tables are those of this version."""
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        yield Finding("migrations", "problem", f"The database lacks migrations: {names}{more}.", _PREPARE)
    known, installed = set(executor.loader.disk_migrations), {app.label for app in apps.get_app_configs()}
    newer = [f"{app}.{name}" for app, name in executor.loader.applied_migrations if app in installed]
    if newer := [name for name in newer if tuple(name.split(".", 1)) not in known]:
        sentence = f"The database is of a newer Spot: {', '.join(sorted(newer)[:3])} is unknown here."
        yield Finding("migrations", "warning", sentence, "Run the newer version on every machine, or restore a backup.")


def secrets(_site: Site) -> Iterator[Finding]:
    """Whether every stored secret can be decrypted."""
    sealed = [model for model in apps.get_models() if issubclass(model, Sealed)]
    locked = []
    for row in chain.from_iterable(model._default_manager.all() for model in sealed):
        try:
            row.secret  # noqa: B018 - reading it is the test
        except Locked:
            locked.append(str(row))
    if locked:
        sentence = f"None of SPOT_SECRET_KEYS decrypts {', '.join(locked)}: not used."
        mend = "Put the old secret back at the end of SPOT_SECRET_KEYS, or enter the keys again in the admin."
        yield Finding("secrets", "problem", sentence, mend)


def closed(_site: Site) -> Iterator[Finding]:
    """Whether anybody can be served: where everybody without a key is refused, there must be a key."""
    if ClientPlan.objects.filter(name=ClientPlan.ANONYMOUS, enabled=False).exists():
        good = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        if not ClientKey.objects.filter(good, plan__enabled=True, revoked_at=None).exists():
            sentence = "Nobody is served without a key (plan anonymous is off), and there is no key that can be used."
            mend = "Make a key in the admin under Client keys, or switch the plan anonymous on again."
            yield Finding("client-keys", "problem", sentence, mend)


def webhooks(_site: Site) -> Iterator[Finding]:
    """Whether webhooks may go where they are to go."""
    for target in Target.objects.filter(enabled=True):
        try:
            reachable.resolved(target.url, settings.SPOT_WEBHOOK_NETWORKS)
        except ProviderError as error:
            mend = "Correct its URL in the admin, or name its network in SPOT_WEBHOOK_NETWORKS, such as 10.0.0.0/8."
            yield Finding("webhooks", "warning", f"Webhooks to {target} fail: {error.message}.", mend)
