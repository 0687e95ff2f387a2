"""How many distinct data are watched together, and how clients share them.

Each bound is one for the whole process, so that no client can invent work without end. Where it is reached, a newcomer
takes from the client that holds most for itself alone, as long as that one holds more than the newcomer then would.
Nobody takes what several clients watch, or what the operator has pinned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from django.conf import settings

from providers.datasets import KINDS, Dataset, Kind
from spot.codes import Refused
from spot.feeds.view import View
from spot.hub.groups import Group
from spot.hub.topics import Topic


class Bound(NamedTuple):
    """One limit: what it counts, the setting that holds it, and what of a dataset is counted (None: nothing)."""

    what: str
    setting: str
    key: Callable[[Dataset], str | None]


def _currency(dataset: Dataset) -> str | None:
    watched = dataset.traits.coins and dataset.currency not in settings.SPOT_PINNED_CURRENCIES
    return dataset.currency if watched else None


def _of_kind(kind: Kind, dataset: Dataset) -> str | None:
    pinned = dataset.coin in settings.SPOT_PINNED_COINS and dataset.currency in settings.SPOT_PINNED_CURRENCIES
    return dataset.name if dataset.kind == kind and not pinned else None


BOUNDS = (
    *(
        Bound(traits.several, traits.bounded_by, partial(_of_kind, kind))
        for kind, traits in KINDS.items()
        if traits.bounded_by
    ),
    Bound("currencies", "SPOT_CURRENCIES", _currency),
)
_COINS = "coins outside the market's top"


@dataclass(slots=True)
class _Holding:
    """One thing that counts: who watches it, or has just looked at it, and as what."""

    clients: set[str] = field(default_factory=set)
    groups: set[Group] = field(default_factory=set)
    topics: set[Topic] = field(default_factory=set)


def make_room(view: View, client: str, topics: Mapping[str, Topic]) -> list[Group]:
    """The groups that must give way before this client can have the view; what has only just been looked at is
    forgotten here. Raises `Refused` where the bound is reached and nobody holds more than the client would."""
    leaving: list[Group] = []
    for bound in BOUNDS:
        wanted = {key for dataset in view.datasets if (key := bound.key(dataset)) is not None}
        if wanted and (limit := getattr(settings, bound.setting)):
            leaving += _room(bound.what, limit, wanted, client, lambda bound=bound: _held(bound, topics))  # type: ignore[misc]
    coins = _extra_coins(view, topics)
    if coins and (limit := settings.SPOT_EXTRA_COINS):
        leaving += _room(_COINS, limit, coins, client, lambda: _held_coins(topics.values()))
    return leaving


def _room(what: str, limit: int, wanted: set[str], client: str, read: Callable[[], dict[str, _Holding]]) -> list[Group]:
    held = read()
    new = wanted - held.keys()
    excess = len(held) + len(new) - limit if new else 0
    victims = _victims(held, client, len(new), excess)
    if len(victims) < excess:
        raise Refused("too_many_datasets", f"At most {limit} {what} can be watched together; try again later.")
    for holding in victims:
        for topic in holding.topics:
            topic.gone.clear()
    return [group for holding in victims for group in holding.groups]


def _victims(held: Mapping[str, _Holding], client: str, new: int, excess: int) -> list[_Holding]:
    """Holdings of the clients that hold most for themselves alone, while those hold more than this client would."""
    if excess <= 0:
        return []
    alone: dict[str, list[_Holding]] = {}
    for holding in held.values():
        if len(holding.clients) == 1:
            alone.setdefault(next(iter(holding.clients)), []).append(holding)
    counts = Counter({owner: len(holdings) for owner, holdings in alone.items() if owner != client})
    mine = len(alone.get(client, ())) + new
    victims: list[_Holding] = []
    while len(victims) < excess and counts:
        owner, count = counts.most_common(1)[0]
        if count <= mine:
            break
        victims.append(alone[owner].pop())
        counts[owner] -= 1
    return victims


def _held(bound: Bound, topics: Mapping[str, Topic]) -> dict[str, _Holding]:
    held: dict[str, _Holding] = {}
    for topic in topics.values():
        if (topic.groups or topic.gone) and (key := bound.key(topic.dataset)) is not None:
            holding = held.setdefault(key, _Holding())
            holding.clients |= topic.clients()
            holding.groups |= topic.groups
            holding.topics.add(topic)
    return held


def _held_coins(topics: Iterable[Topic]) -> dict[str, _Holding]:
    held: dict[str, _Holding] = {}
    for group in (group for topic in topics if topic.dataset.traits.by_id for group in topic.groups):
        for coin in group.missing_coins():
            if coin not in settings.SPOT_PINNED_COINS:
                holding = held.setdefault(coin, _Holding())
                holding.clients |= group.clients.keys()
                holding.groups.add(group)
    return held


def _extra_coins(view: View, topics: Mapping[str, Topic]) -> set[str]:
    """The coins of a tape that the market's snapshot lacks."""
    markets = topics.get(view.datasets[0].name)
    coins = view.params.get("coin_ids", ())
    if not coins or markets is None or markets.table is None:
        return set()
    return set(coins) - markets.table.position().keys() - set(settings.SPOT_PINNED_COINS)
