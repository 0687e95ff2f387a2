"""`manage.py compose`: writes the settings that containers are handed into compose.yaml, so that none is forgotten."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

#: Settings that the composition decides itself.
_OWN = {
    "DATABASE_URL", "PORT", "REDIS_URL", "SANDBOX_BASE_URL", "SPOT_BIND", "SPOT_DEBUG", "SPOT_DEMO", "SPOT_HOME",
    "SPOT_SECRET_KEY", "SPOT_SECRET_KEYS", "SPOT_STATIC_ROOT",
}  # fmt: skip

#: With a password among them, they go where the providers' keys go: the worker tells operators.
_TOLD = {"SPOT_OPERATORS", "SPOT_SMTP_URL"}


def written(text: str, names: Collection[str]) -> str:
    """The composition with these settings: a line without a value hands over the value of the same name, if there is
    one. Pure."""
    keys = {name for name in names if name.endswith("_API_KEY")} | {*names} & _TOLD
    administrator = {name for name in names if name.startswith("SPOT_ADMIN_")}
    blocks = {"settings": {*names} - _OWN - keys - administrator, "keys": keys, "administrator": administrator}
    for block, chosen in blocks.items():
        lines = "".join(f"    {name}:\n" for name in sorted(chosen))
        text = re.sub(rf"(  {block}: &{block}\n(?:    .*\n)*?)(?:    [A-Z_]+:\n)+", rf"\g<1>{lines}", text)
    return text


class Command(BaseCommand):
    help = "Write every setting into compose.yaml: after a setting or a provider has been added."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        file = Path(settings.BASE_DIR) / "compose.yaml"
        file.write_text(written(file.read_text(), settings.SPOT_READ))
