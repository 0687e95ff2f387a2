"""What `manage.py prepare` makes of the database and of the first administrator."""

import os
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from spot.management.commands import prepare
from spot.processes import statics

PASSWORD = "correct horse battery"


def administrators() -> list[str]:
    return list(get_user_model().objects.filter(is_superuser=True).values_list("username", flat=True))


@pytest.mark.django_db
def test_without_a_name_there_is_no_administrator() -> None:
    prepare.create_administrator()
    assert administrators() == []


@pytest.mark.django_db
def test_the_named_administrator_is_made_once_and_keeps_a_changed_password(settings) -> None:
    settings.SPOT_ADMIN_USER, settings.SPOT_ADMIN_PASSWORD = "olga", PASSWORD
    prepare.create_administrator()
    olga = get_user_model().objects.get(username="olga")
    assert olga.check_password(PASSWORD)
    olga.set_password("changed since then")
    olga.save()
    prepare.create_administrator()
    olga.refresh_from_db()
    assert olga.check_password("changed since then")
    assert administrators() == ["olga"]


@pytest.mark.django_db
@pytest.mark.parametrize(("password", "why"), [("", "no default password"), ("short", "is refused: This password is")])
def test_a_password_that_is_missing_or_weak_is_refused_in_one_sentence(settings, password: str, why: str) -> None:
    settings.SPOT_ADMIN_USER, settings.SPOT_ADMIN_PASSWORD = "olga", password
    with pytest.raises(CommandError, match=why):
        prepare.create_administrator()
    assert administrators() == []


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"ENGINE": "django.db.backends.sqlite3", "NAME": "/state/spot.sqlite3"}, "SQLite /state/spot.sqlite3"),
        (
            {"ENGINE": "x.postgresql", "USER": "spot", "PASSWORD": "s3cret", "HOST": "db", "PORT": "", "NAME": "spot"},
            "postgres://spot:***@db:5432/spot",
        ),
        (
            {"ENGINE": "x.postgresql", "USER": "", "PASSWORD": "", "HOST": "", "PORT": 6543, "NAME": "spot"},
            "postgres://localhost:6543/spot",
        ),
    ],
)
def test_a_database_is_described_without_its_password(facts: dict[str, object], shown: str) -> None:
    assert prepare.described(facts) == shown


def test_a_database_that_cannot_be_opened_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("connection failed: refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    with pytest.raises(CommandError, match=r"The database cannot be opened \(SQLite .*\): connection failed: refused"):
        prepare.migrate()


def test_a_database_that_is_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [OperationalError("FATAL:  the database system is starting up\nDETAIL:  Not yet consistent.")] * 2

    def open_later() -> None:
        if answers:
            raise answers.pop()

    migrations = []
    monkeypatch.setattr(connection, "ensure_connection", open_later)
    monkeypatch.setattr(prepare, "call_command", lambda *names, **_: migrations.append(names))
    with pytest.raises(CommandError, match=r"starting up$"):
        prepare.migrate()
    prepare.migrate(wait=30)
    assert migrations == [("migrate",)]


def test_static_files_are_collected_again_only_when_one_is_newer(settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    assert statics.are_old()
    collected = tmp_path / "staticfiles.json"
    collected.write_text("{}")
    assert not statics.are_old()
    os.utime(collected, (0, 0))
    assert statics.are_old()
