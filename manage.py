#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists what this project adds to it."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018  whatever is wrong with the settings shows on first use
    except (ImproperlyConfigured, OSError) as error:
        sys.exit(f"Spot's settings: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
