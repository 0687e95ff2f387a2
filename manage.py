#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists the commands of this project too."""

import os
import sys
from pathlib import Path
from typing import Any

NEEDS_A_SITE = {
    "createsuperuser",
    "changepassword",
    "reencrypt_keys",
    "shell",
    "dbshell",
    "dumpdata",
    "loaddata",
    "flush",
}


def is_missing(database: dict[str, Any]) -> bool:
    """Whether the database is a file that does not exist."""
    return "sqlite3" in database["ENGINE"] and not Path(database["NAME"]).exists()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    if sys.argv[1:2] == ["alive"] and "-h" not in sys.argv and "--help" not in sys.argv:
        from spot.processes import alive

        sys.exit(alive.main(sys.argv[2:]) or 0)
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018  the first use loads the settings, and raises their errors
    except (ImproperlyConfigured, OSError) as error:
        if sys.argv[1:2] == ["doctor"]:
            from spot.doctor import findings

            sys.exit(findings.unreadable(str(error), as_json="--json" in sys.argv))
        sys.exit(f"Spot's settings: {error}")
    if sys.argv[1:2] and sys.argv[1] in NEEDS_A_SITE and is_missing(settings.DATABASES["default"]):
        sys.exit(
            f"There is no Spot in {settings.SPOT_HOME}. Set SPOT_HOME to the folder with which the site was started: "
            f"SPOT_HOME=/path {sys.argv[0]} {sys.argv[1]}"
        )
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
