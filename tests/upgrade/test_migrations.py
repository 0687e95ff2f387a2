"""Migrations that the version before survives: during an upgrade it goes on with the tables of the new one."""

from collections.abc import Iterator

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

OURS = ("alerts", "clients", "providers")
#: What no released version has seen: tables that were made and changed before the first release. Nothing is added.
BEFORE_THE_FIRST_RELEASE = {
    ("providers", "0002_providers_of_many_kinds"),
    ("providers", "0003_names_of_keys"),
    ("clients", "0003_when_changed"),
}
#: Columns that a release no longer reads, by the migration of a later release that may remove them: "app.model.field".
UNREAD_SINCE_A_RELEASE: dict[str, str] = {}
HARMLESS = (migrations.CreateModel, migrations.RunPython, migrations.AlterModelOptions, migrations.AlterModelManagers)


def operations() -> Iterator[tuple[str, str, Operation]]:
    """Each operation that a site which runs may meet: app, migration, operation."""
    loader = MigrationLoader(None)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in OURS and (app, name) not in BEFORE_THE_FIRST_RELEASE:
            for operation in migration.operations:
                yield app, name, operation


def problem(app: str, operation: Operation) -> str:
    """Why the version before cannot go on after this operation; "" if it can."""
    if isinstance(operation, migrations.AddField):
        field = operation.field
        if isinstance(field, models.ManyToManyField) or field.null or field.db_default is not NOT_PROVIDED:
            return ""
        return f"{operation.model_name}.{operation.name} may not be NULL and has no db_default: inserts without it fail"
    if isinstance(operation, migrations.RemoveField):
        field = f"{app}.{operation.model_name}.{operation.name}"
        return "" if field in UNREAD_SINCE_A_RELEASE else f"{field} is removed, and is read by the version before"
    if isinstance(operation, migrations.AddIndex | migrations.RemoveIndex):
        return ""
    if isinstance(operation, migrations.AlterField):
        return "" if not operation.field.null else "NULL is allowed, and the version before does not expect it"
    if isinstance(operation, HARMLESS):
        return ""
    return f"{type(operation).__name__}: not known to be safe"


CASES = list(operations())


@pytest.mark.parametrize(
    ("app", "name", "operation"), CASES, ids=[f"{app}.{name}:{operation.describe()}" for app, name, operation in CASES]
)
def test_the_version_before_goes_on_after_a_migration(app: str, name: str, operation: Operation) -> None:
    assert not problem(app, operation), name


FIELD = models.CharField(max_length=9)
TRIALS: dict[str, tuple[Operation, str]] = {
    "no default": (migrations.AddField("rule", "x", FIELD), "has no db_default"),
    "default of Django": (migrations.AddField("rule", "x", models.IntegerField(default=0)), "has no db_default"),
    "default of the database": (migrations.AddField("rule", "x", models.IntegerField(db_default=0)), ""),
    "null": (migrations.AddField("rule", "x", models.IntegerField(null=True)), ""),
    "removed": (migrations.RemoveField("rule", "name"), "is read by the version before"),
    "renamed": (migrations.RenameField("rule", "name", "title"), "not known to be safe"),
    "table renamed": (migrations.RenameModel("rule", "law"), "not known to be safe"),
    "table removed": (migrations.DeleteModel("rule"), "not known to be safe"),
    "SQL": (migrations.RunSQL("select 1"), "not known to be safe"),
    "unique": (migrations.AlterUniqueTogether("rule", {("name", "feed")}), "not known to be safe"),
}


@pytest.mark.parametrize(("operation", "said"), TRIALS.values(), ids=TRIALS)
def test_what_the_version_before_does_not_survive_is_found(operation: Operation, said: str) -> None:
    found = problem("alerts", operation)
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.django_db
def test_rows_of_the_first_version_can_be_inserted() -> None:
    """Statements as the version before writes them: it does not name columns that were added since."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO providers_assetalias (provider, foreign_id, symbol, name, matched)"
            " VALUES ('acme', '1', 'BTC', 'Bitcoin', '')"
        )
        cursor.execute("SELECT slug FROM providers_assetalias")
        assert cursor.fetchall() == [("",)]
        cursor.execute(
            "INSERT INTO alerts_target (token, name, url, enabled, created_at)"
            " VALUES ('t', 'hook', 'https://example.org', true, '2026-11-29 00:00:00')"
        )
        cursor.execute("SELECT for_operators FROM alerts_target")
        assert [bool(value) for (value,) in cursor.fetchall()] == [False]
