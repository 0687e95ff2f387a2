"""Bytes that an amendment costs: between a stream process and Redis, and between Redis and a hub that shows charts.

    REDIS_URL=unix:///tmp/bench.sock python -m bench.amendments

The Redis at that address is written to: use one of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
django.setup()

from bench import market  # noqa: E402
from providers.datasets import Dataset, Fetched  # noqa: E402
from spot import snapshots  # noqa: E402
from spot.snapshots.reader import Reader  # noqa: E402

USD = Dataset("markets", "usd")
_TURNS = 20


def moved(act: Callable[[], Any]) -> dict[str, int]:
    """Bytes that Redis has taken and given out for one call of `act`."""
    client = snapshots.connection()
    before = client.info("stats")
    for _ in range(_TURNS):
        act()
    after = client.info("stats")
    names = {"to Redis": "total_net_input_bytes", "from Redis": "total_net_output_bytes"}
    return {name: (after[field] - before[field]) // _TURNS for name, field in names.items()}


def main() -> None:
    """Print the figures for a market of 250 coins with charts."""
    now = snapshots.now_ms()
    rows = market.coins(250, sparklines=True)
    facts = {"as_of": now, "fetched_at": now, "source": "bench", "label": "Bench", "simulated": False}
    snapshots.save(Fetched(USD, rows, **facts), 60)
    known: list[snapshots.Snapshot | None] = [None]

    def amend() -> None:
        known[0] = snapshots.amend(
            USD, lambda snapshot: ([{**row, "price": 1.0} for row in snapshot.rows], snapshot.meta), known[0]
        )

    print("amendment:", moved(amend))
    with asyncio.Runner() as runner:

        async def reader() -> Reader:
            return Reader()

        async def read() -> None:
            _, shown[0] = await store.stored(USD, charts=True, known=shown[0])

        store, shown = runner.run(reader()), [None]
        runner.run(store.news([USD.name]))
        runner.run(read())
        print("hub that shows charts:", moved(lambda: runner.run(read())))
        runner.run(store.aclose())


if __name__ == "__main__":
    main()
