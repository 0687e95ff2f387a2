"""`manage.py contract`: what has changed for clients since the last release; `--renew` at a release."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from spot.dialects import contract
from spot.web import http
from spot.web.documents import DOCUMENTS
from spot_project.release import release

FILE = Path(settings.BASE_DIR) / "docs" / "contract.txt"


def present() -> contract.Summary:
    """The summary of the contract as the code has it."""
    documents = {path: kind.make(http.operations, http.channels) for path, kind in DOCUMENTS.items()}
    return contract.summary(documents["/docs/openapi.json"], documents["/docs/asyncapi.json"], release())


class Command(BaseCommand):
    help = "Compare the contract with clients with that of the last release. Fails for a breaking change."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--renew", action="store_true", help="write the present contract as that of the release")

    def handle(self, *_args: Any, renew: bool, **_options: Any) -> None:
        before, after = contract.read(FILE.read_text()), present()
        broken = contract.breaks(before, after)
        for change in broken:
            self.stdout.write(f"breaks: {change}")
        for section, names in contract.additions(before, after).items():
            self.stdout.write(f"new: {section}" + (f": {', '.join(names)}" if names else ""))
        if broken and not contract.permitted(before, after):
            self.stderr.write(
                f"These changes break clients of contract {before.version}. Take them back, or raise the first number "
                "of VERSION in spot/dialects/openapi.py."
            )
            sys.exit(1)
        if renew:
            FILE.write_text(contract.written(after))
