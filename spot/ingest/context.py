"""What a fetch has to know of the store before it begins, and a tick of the coins that clients ask for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from providers import fetching
from providers.datasets import COINS, CURRENCIES, MEMBERS, Dataset
from providers.facts import Facts
from providers.pipelines import Commands, joined
from spot import snapshots
from spot.snapshots import Snapshot, commands
from spot.snapshots.commands import Realm, Trouble

#: The ids on each list that this process has read, by realm, with the version of the list.
_lists: dict[tuple[Dataset, Realm], tuple[Hashable, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True)
class Context:
    """What a fetch has to know of the store before it begins: the realm in force, the snapshot in place, by dataset
    the ids on the lists that it is checked against (None: never fetched), the coins to ask for by id, the facts of the
    categories, whether the providers were just out of reach; and what it has to know of the real providers."""

    realm: Realm
    before: Snapshot | None
    lists: Mapping[Dataset, frozenset[str] | None]
    coins: Sequence[str]
    members: Mapping[str, tuple[Facts | None, Trouble | None]]
    is_out_of_reach: bool
    prospects: fetching.Prospects | None


def context_of(dataset: Dataset) -> Commands[Context]:
    """The context of a fetch, as a part of a round trip."""
    traits = dataset.traits
    lists = [*([CURRENCIES] if dataset.currency else []), *([COINS] if dataset.coin or traits.by_id else [])]

    def stored(where: Realm) -> Commands[Any]:
        versions = [commands.version(listing, where) for listing in lists]
        members = commands.facts(MEMBERS if traits.coins else [], where)
        return joined([snapshots.loading(dataset, where, charts=False), members, *versions], list)

    prospects: Commands[Any] = Commands([], lambda _answers: None)
    if settings.SPOT_DEMO != "on" and not traits.on_demand:
        prospects = fetching.known(dataset)
    coins = commands.wanted_coins(dataset.currency, most_coins()) if traits.by_id else Commands([], list)

    def context(results: list[Any]) -> Context:
        (realm, (before, members, *versions)), asked, out_of_reach, known = results
        ids = {listing: _listed(listing, realm, version) for listing, version in zip(lists, versions, strict=True)}
        return Context(realm, before, ids, asked, members, out_of_reach, known)

    return joined([commands.in_force(stored), coins, commands.exists("probe"), prospects], context)


def coins_of(by_id: Sequence[Dataset], where: Realm) -> Commands[dict[Dataset, frozenset[str]]]:
    """Of each of these datasets, the coins that clients ask for and that are on the list."""
    if not by_id:
        return Commands([], lambda _answers: {})
    asked: list[Commands[Any]] = [commands.wanted_coins(dataset.currency, most_coins()) for dataset in by_id]

    def coins(results: list[Any]) -> dict[Dataset, frozenset[str]]:
        *wanted, version = results
        listed = _listed(COINS, where, version) or frozenset()
        return {dataset: listed.intersection(names) for dataset, names in zip(by_id, wanted, strict=True)}

    return joined([*asked, commands.version(COINS, where)], coins)


def most_coins() -> int:
    """The most coins of a currency that are asked for by id."""
    return settings.SPOT_EXTRA_COINS or 1000


def _listed(listing: Dataset, where: Realm, version: Hashable | None) -> frozenset[str] | None:
    """The ids on a list, which are read again when it has another version; None for a list that was never fetched."""
    if version is None:
        return None
    if (remembered := _lists.get((listing, where))) is None or remembered[0] != version:
        snapshot = snapshots.load(listing, where, charts=False)
        if snapshot is None:
            return None
        remembered = _lists[listing, where] = version, frozenset(row["id"] for row in snapshot.rows)
    return remembered[1]
