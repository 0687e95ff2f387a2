"""Sends rows to the plain application's groups for each byte on standard input."""

import asyncio
import json
import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.plain.settings")
django.setup()

from channels.layers import get_channel_layer  # noqa: E402  Django must be set up first

from bench.market import churn, stamp  # noqa: E402


async def publish(rows: list[dict], groups: int) -> None:
    """The rows to every group, one after the other."""
    layer = get_channel_layer()
    for group in range(groups):
        await layer.group_send(f"market_{group}", {"type": "market.rows", "rows": rows})


def main(path: str, groups: int) -> None:
    """Publish the rows in a file, changed a little each time."""
    rows = json.loads(Path(path).read_bytes())
    print("ready", flush=True)
    step = 0
    with asyncio.Runner() as runner:
        while os.read(0, 1):
            step += 1
            churn(rows, step)
            stamp(rows)
            runner.run(publish(rows, groups))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
