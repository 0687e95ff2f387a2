"""`manage.py doctor`: examines a site, while it runs and while it does not, and says how to mend what is wrong."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from spot.doctor import findings
from spot.doctor.examination import examine
from spot.doctor.site import Site


class Command(BaseCommand):
    help = "Say what is wrong with this site and how to mend it. Exits with 0 (well), 1 (warnings) or 2 (problems)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument("--offline", action="store_true", help="ask no provider for the time")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = examine(Site(online=not options["offline"]))
        self.stdout.write(findings.json_of(report) if options["json"] else findings.text_of(report))
        if code := findings.exit_code(report):
            sys.exit(code)
