"""The category of each coin: the members of all categories as one table, and rows of coins with their label.

The members are datasets, renewed daily. A worker caches the table that it makes of them, one a realm; a poll asks
whether there are newer ones. A category without members labels nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.datasets import CATEGORIES, MEMBERS, Fetched, Row
from providers.facts import Facts
from spot import snapshots
from spot.snapshots import Realm

#: By realm, when the members of each category were fetched, and the label of each coin.
_labels_of: dict[Realm, tuple[tuple[int | None, ...], dict[str, str]]] = {}


def labelled(fetched: Fetched, known: Mapping[str, tuple[Facts | None, Any]] | None = None) -> Fetched:
    """The same with each coin's `category`: a label of `CATEGORIES`, or None. Simulated members label simulated markets
    only. `known`: the facts of the members in that realm, if the caller has them."""
    labels = _labels("demo" if fetched.simulated else "live", known)
    return replace(fetched, rows=[{**row, "category": labels.get(row["id"])} for row in fetched.rows])


def _labels(where: Realm, known: Mapping[str, tuple[Facts | None, Any]] | None) -> Mapping[str, str]:
    """The label of each coin that is in a category of that realm."""
    stored = [facts for facts, _ in (known or snapshots.facts(MEMBERS, where)).values()]
    times = tuple(facts.fetched_at if facts else None for facts in stored)
    if where not in _labels_of or _labels_of[where][0] != times:
        fetched = [dataset for dataset, time in zip(MEMBERS, times, strict=True) if time is not None]
        members = [snapshot for dataset in fetched if (snapshot := snapshots.load(dataset, where)) is not None]
        _labels_of[where] = times, assigned({snapshot.dataset.topic: snapshot.rows for snapshot in members})
    return _labels_of[where][1]


def assigned(members: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """By coin, the label of the first of `CATEGORIES` that has it, of those whose `members` are known. Pure."""
    labels: dict[str, str] = {}
    for name, label in CATEGORIES.items():
        for row in members.get(name, ()):
            labels.setdefault(row["id"], label)
    return labels
