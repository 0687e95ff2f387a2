"""`manage.py prepare`: migrations, first administrator and static files, before the processes start; idempotent."""

import time
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from spot.database_trouble import why
from spot.processes import statics


class Command(BaseCommand):
    help = "Migrate the database, collect static files, and create the first administrator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-static", action="store_true", help="leave the static files as they are")
        parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="for a database that is starting")

    def handle(self, *_args: Any, **options: Any) -> None:
        migrate(wait=options["wait"])
        create_administrator()
        if not options["no_static"] and statics.are_old():
            call_command("collectstatic", interactive=False, verbosity=0)


def migrate(*, wait: float = 0) -> None:
    """Migrate the database, once it can be opened. Raises `CommandError` when it cannot be after `wait` seconds."""
    deadline = time.monotonic() + wait
    while trouble := _trouble():
        if time.monotonic() >= deadline:
            raise CommandError(f"The database cannot be opened ({described(connection.settings_dict)}): {trouble}")
        time.sleep(0.5)
    call_command("migrate", interactive=False, verbosity=0)


def _trouble() -> str:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        return why(error)
    return ""


def described(facts: Mapping[str, Any]) -> str:
    """A database of settings.DATABASES as text: the file, or host and name, without the password."""
    if "sqlite" in facts["ENGINE"]:
        return f"SQLite {facts['NAME']}"
    user = f"{facts['USER']}:***@" if facts.get("USER") else ""
    return f"postgres://{user}{facts['HOST'] or 'localhost'}:{facts['PORT'] or 5432}/{facts['NAME']}"


def create_administrator() -> None:
    """Create the administrator that the environment names, unless the user exists: its password stays unchanged."""
    name, password = settings.SPOT_ADMIN_USER, settings.SPOT_ADMIN_PASSWORD
    users = get_user_model().objects
    if not name or users.filter(username=name).exists():
        return
    if not password:
        raise CommandError("SPOT_ADMIN_USER is set but SPOT_ADMIN_PASSWORD is not; there is no default password.")
    try:
        validate_password(password)
    except ValidationError as error:
        raise CommandError(f"SPOT_ADMIN_PASSWORD is refused: {' '.join(error.messages)}") from error
    users.create_superuser(username=name, password=password)
