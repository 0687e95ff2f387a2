"""`manage.py compose`: writes the settings that containers are handed into the compositions, and those that the Helm
chart takes into its schema, so that none is forgotten."""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

#: The compositions, below the checkout.
FILES = ("compose.yaml", "compose.scale.yaml")

#: Settings that every composition decides itself.
_OWN = {
    "DATABASE_URL", "PORT", "REDIS_URL", "SANDBOX_BASE_URL", "SPOT_BIND", "SPOT_DEBUG", "SPOT_DEMO", "SPOT_HOME",
    "SPOT_SECRET_KEY", "SPOT_SECRET_KEYS", "SPOT_STATIC_ROOT",
}  # fmt: skip

#: With a password among them, they go where the providers' keys go: the worker tells operators.
_TOLD = {"SPOT_OPERATORS", "SPOT_SMTP_URL"}


def written(text: str, names: Collection[str]) -> str:
    """The composition with these settings: a line without a value hands over the value of the same name, if there is
    one. Settings to which it gives a value itself get no such line. Pure."""
    names = {*names} - {*re.findall(r"^    ([A-Z_]+): ", text, re.MULTILINE)}
    keys = {name for name in names if name.endswith("_API_KEY")} | names & _TOLD
    administrator = {name for name in names if name.startswith("SPOT_ADMIN_")}
    blocks = {"settings": names - _OWN - keys - administrator, "keys": keys, "administrator": administrator}
    for block, chosen in blocks.items():
        lines = "".join(f"    {name}:\n" for name in sorted(chosen))
        text = re.sub(rf"(  {block}: &{block}\n(?:    .*\n)*?)(?:    [A-Z_]+:\n)+", rf"\g<1>{lines}", text)
    return text


#: The schema of the Helm chart's values, below the checkout.
SCHEMA = "deploy/helm/spot/values.schema.json"


def schema_written(text: str, names: Collection[str]) -> str:
    """The schema with these settings: `settings` takes those that may be read by anybody, `secrets.providers` keys and
    the mail server, whose address has a password. Pure."""
    schema = json.loads(text)
    keys = {name for name in names if name.endswith("_API_KEY")} | {*names} & {"SPOT_SMTP_URL"}
    administrator = {name for name in names if name.startswith("SPOT_ADMIN_")}
    plain = {*names} - (_OWN - {"SPOT_DEMO"}) - keys - administrator - {"SPOT_METRICS_TOKEN"}
    schema["$defs"]["settings"]["properties"] = {name: {"$ref": "#/$defs/setting"} for name in sorted(plain)}
    schema["$defs"]["providers"]["properties"] = {name: {"type": "string", "minLength": 1} for name in sorted(keys)}
    return json.dumps(schema, indent=2) + "\n"


class Command(BaseCommand):
    help = "Write every setting into the compositions and the Helm chart: after a setting or a provider has been added."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        for name, write in (*((name, written) for name in FILES), (SCHEMA, schema_written)):
            file = Path(settings.BASE_DIR) / name
            file.write_text(write(file.read_text(), settings.SPOT_READ))
