"""The rows of the database in a form that SQLite and PostgreSQL share: as Django serialises them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core import serializers
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from providers import vault
from providers.models import Sealed

#: Made by migrations, or worthless without the process that made them.
_LEFT_OUT = {"contenttypes.contenttype", "auth.permission", "sessions.session"}
#: Rows that a new site has before anybody has used it.
_MADE_AT_FIRST = {
    "auth.group", "providers.providersettings", "providers.chain", "clients.clientplan", "clients.protocol",
}  # fmt: skip
_BATCH = 1000
_READING = "rescue"


def models() -> list[type[Model]]:
    """The models whose rows a backup has, each after those that it refers to."""
    whole = {
        app: [model for model in app.get_models() if model._meta.label_lower not in _LEFT_OUT]
        for app in apps.get_app_configs()
    }
    return serializers.sort_dependencies([(app, kept) for app, kept in whole.items() if kept], allow_cycles=True)


def migrations() -> dict[str, list[str]]:
    """By app, the migrations that the database has."""
    applied: dict[str, list[str]] = {}
    for app, name in sorted(MigrationExecutor(connection).loader.applied_migrations):
        applied.setdefault(app, []).append(name)
    return applied


def known_migrations() -> set[tuple[str, str]]:
    """The migrations that this version has."""
    return set(MigrationExecutor(connection).loader.disk_migrations)


def missing_migrations() -> list[str]:
    """The migrations that the database lacks."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


@contextmanager
def at_one_moment() -> Iterator[str]:
    """The name of a connection that sees the database as it is now, while others write to it.

    SQLite's write-ahead log and PostgreSQL's repeatable read both give a reader the rows of one moment.
    """
    reader = connection.copy(_READING)
    if connection.vendor == "sqlite":
        reader.settings_dict["OPTIONS"]["transaction_mode"] = "DEFERRED"
    else:
        from django.db.backends.postgresql.psycopg_any import IsolationLevel  # noqa: PLC0415 - needs the driver

        reader.settings_dict["OPTIONS"]["isolation_level"] = IsolationLevel.REPEATABLE_READ
    connections[_READING] = reader
    try:
        with transaction.atomic(using=_READING):
            yield _READING
    finally:
        reader.close()
        del connections[_READING]


def read(using: str) -> Iterator[dict[str, Any]]:
    """Every row of every model."""
    for model in models():
        rows = model._base_manager.using(using).order_by("pk").iterator(chunk_size=_BATCH)
        batch: list[Model] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                yield from _serialised(batch)
                batch = []
        yield from _serialised(batch)


def _serialised(rows: Sequence[Model]) -> list[dict[str, Any]]:
    return list(serializers.serialize("python", rows, use_natural_foreign_keys=True))


def in_use() -> dict[str, int]:
    """By name, how many rows there are of what only a site that is used has."""
    counts = {
        str(model._meta.verbose_name_plural): model._base_manager.count()
        for model in models()
        if model._meta.label_lower not in _MADE_AT_FIRST
    }
    return {name: count for name, count in counts.items() if count}


def locked(records: Iterable[dict[str, Any]]) -> int:
    """The number of rows whose secret none of SPOT_SECRET_KEYS opens."""
    sealed = {model._meta.label_lower for model in models() if issubclass(model, Sealed)}
    count = 0
    for record in records:
        if record["model"] in sealed:
            try:
                vault.unlock(record["fields"]["token"])
            except vault.Locked:
                count += 1
    return count


def replace(records: Iterable[dict[str, Any]], labels: Sequence[str]) -> int:
    """Replace all rows of these models; returns the number of new ones. To be called within a transaction."""
    chosen = [model for model in models() if model._meta.label_lower in labels]
    tables = [field.m2m_db_table() for model in chosen for field in model._meta.local_many_to_many]
    tables += [model._meta.db_table for model in reversed(chosen)]
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names of our own tables
    count = 0
    for row in serializers.deserialize("python", records, using=DEFAULT_DB_ALIAS, ignorenonexistent=True):
        row.save(using=DEFAULT_DB_ALIAS, force_insert=True)
        count += 1
    connection.check_constraints()
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), chosen):
            cursor.execute(statement)
    return count
