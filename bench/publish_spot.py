"""Stands in for the worker: stores a snapshot, by the function that workers use, for each byte on standard input."""

import json
import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
django.setup()

from bench.market import churn, others, stamp  # noqa: E402  Django must be set up first
from providers.datasets import Dataset, Fetched, Row  # noqa: E402
from spot.snapshots import now_ms, save  # noqa: E402


def store(dataset: Dataset, rows: list[Row]) -> None:
    """Store rows as the dataset's newest snapshot; nothing goes stale during a run."""
    now = now_ms()
    facts = {"as_of": now, "fetched_at": now, "source": "bench", "label": "Bench", "simulated": False}
    save(Fetched(dataset, rows, **facts), interval_s=3600)


def main(path: str, listed: int = 0) -> None:
    """Publish the rows in a file, changed a little each time; before them once a list of their coins and of others, so
    many in all."""
    rows = json.loads(Path(path).read_bytes())
    store(Dataset("currencies"), [{"id": "usd"}])
    listing = [{"id": row["id"], "symbol": row["symbol"], "name": row["name"]} for row in rows]
    store(Dataset("coins"), [*listing, *others(listed - len(listing))])
    market, step = Dataset("markets", "usd"), 0
    stamp(rows)
    store(market, rows)
    print("ready", flush=True)
    while os.read(0, 1):
        step += 1
        churn(rows, step)
        stamp(rows)
        store(market, rows)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
