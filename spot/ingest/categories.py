"""Which category a coin belongs to: the members of all categories as one table, and rows of coins with their label.

The members are datasets, renewed daily, and a worker keeps the table that it made of them, one a realm: a poll costs
one round trip, which asks whether there are newer ones. What is not there yet, or could not be had, groups nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from providers.datasets import CATEGORIES, MEMBERS, Fetched, Row
from spot import snapshots
from spot.snapshots import Realm

#: By realm, when the members that the table is made of were fetched, and the label of each coin.
_known: dict[Realm, tuple[tuple[int | None, ...], dict[str, str]]] = {}


def labelled(fetched: Fetched) -> Fetched:
    """The same with each coin's `category`: a label of `CATEGORIES`, or None. Whoever serves a market, its coins go by
    our ids; members that are simulated group a simulated one only."""
    labels = _labels("demo" if fetched.simulated else "live")
    return replace(fetched, rows=[{**row, "category": labels.get(row["id"])} for row in fetched.rows])


def _labels(where: Realm) -> Mapping[str, str]:
    """The label of each coin that is in a category of that realm."""
    facts = snapshots.facts(MEMBERS, where)
    fetched = tuple(known["fetched_at"] if (known := facts[one.name][0]) else None for one in MEMBERS)
    if where not in _known or _known[where][0] != fetched:
        there = [one for one, at in zip(MEMBERS, fetched, strict=True) if at is not None]
        stored = [snapshot for one in there if (snapshot := snapshots.load(one, where)) is not None]
        _known[where] = fetched, assigned({one.dataset.topic: one.rows for one in stored})
    return _known[where][1]


def assigned(members: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """By coin, the label of the first of `CATEGORIES` that has it, of those whose `members` are known. Pure."""
    found: dict[str, str] = {}
    for name, label in CATEGORIES.items():
        for row in members.get(name, ()):
            found.setdefault(row["id"], label)
    return found
