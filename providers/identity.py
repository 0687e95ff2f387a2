"""Translates coins between our ids and those of providers that have ids of their own.

The asset table says who is who; `providers.mapping` fills it, and an operator may overrule it. What is not in it is not
translated: nothing is guessed from a symbol. Answers are remembered for a few seconds, so that a stream may ask for
every message, and what an operator changes still holds within seconds in every process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import structlog
from django.db import Error as DatabaseError

import providers
from providers.matching import HAND
from providers.models import Asset, AssetAlias

log = structlog.get_logger("providers.identity")

#: How long an answer is believed, in seconds.
_BELIEVED = 3.0
#: Answers kept; past it they are forgotten all at once.
_KEPT = 50_000
#: Ids asked for in one query.
_AT_ONCE = 500
#: Coins named when a symbol is asked for.
_CANDIDATES = 50


class Dictionary:
    """A process's memory of who is who. `clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # (provider, direction, id) -> (its translation, until when it is believed)
        self._kept: dict[tuple[str, str, str], tuple[str | None, float]] = {}
        self._away = False

    def canonical(self, provider_name: str, foreign_ids: Iterable[str]) -> dict[str, str]:
        """Our ids by that provider's. Ids that nobody knows for certain are left out."""
        return self._translated(provider_name, "canonical", foreign_ids, _canonical)

    def foreign(self, provider_name: str, canonical_ids: Iterable[str]) -> dict[str, str]:
        """That provider's ids by ours. Coins that it is not known to have are left out."""
        return self._translated(provider_name, "foreign", canonical_ids, _foreign)

    def _translated(
        self, name: str, direction: str, ids: Iterable[str], ask: Callable[[str, list[str]], dict[str, str]]
    ) -> dict[str, str]:
        wanted = list(dict.fromkeys(ids))
        provider = providers.get(name)
        if provider is not None and not provider.foreign:
            return {one: one for one in wanted}
        now = self._clock()
        kept = {one: self._kept.get((name, direction, one), (None, 0.0)) for one in wanted}
        found = {one: translation for one, (translation, _) in kept.items()}
        unsure = [one for one, (_, until) in kept.items() if until <= now]
        for at in range(0, len(unsure), _AT_ONCE):
            found |= self._renewed(name, direction, unsure[at : at + _AT_ONCE], ask)
        return {one: translation for one, translation in found.items() if translation is not None}

    def _renewed(
        self, name: str, direction: str, ids: list[str], ask: Callable[[str, list[str]], dict[str, str]]
    ) -> dict[str, str | None]:
        """What the database says; nothing while it is away: what it said last holds, because prices must go on."""
        try:
            said = ask(name, ids)
        except DatabaseError as error:
            if not self._away:
                log.warning("the asset table cannot be read, what was last read holds", error=str(error))
            self._away = True
            return {}
        self._away = False
        if len(self._kept) + len(ids) > _KEPT:
            self._kept.clear()
        until = self._clock() + _BELIEVED
        found = {one: said.get(one) for one in ids}
        self._kept.update({(name, direction, one): (translation, until) for one, translation in found.items()})
        return found


def _canonical(name: str, ids: list[str]) -> dict[str, str]:
    aliases = AssetAlias.objects.filter(provider=name, foreign_id__in=ids, asset__isnull=False)
    return {theirs: str(ours) for theirs, ours in aliases.values_list("foreign_id", "asset_id")}


def _foreign(name: str, ids: list[str]) -> dict[str, str]:
    """Of several aliases the one that an operator chose, and of several such the newest."""
    aliases = AssetAlias.objects.filter(provider=name, asset_id__in=ids)
    found = sorted(
        aliases.values_list("asset_id", "foreign_id", "matched", "pk"), key=lambda one: (one[2] == HAND, one[3])
    )
    return {str(ours): theirs for ours, theirs, _, _ in found}


_dictionary = Dictionary()


def canonical(provider_name: str, foreign_ids: Iterable[str]) -> dict[str, str]:
    """Our ids by that provider's; a provider whose ids are ours gives them back. Unknown ones are left out."""
    return _dictionary.canonical(provider_name, foreign_ids)


def foreign(provider_name: str, canonical_ids: Iterable[str]) -> dict[str, str]:
    """That provider's ids by ours; for a provider whose ids are ours the same. Coins it has not are left out."""
    return _dictionary.foreign(provider_name, canonical_ids)


def candidates(symbol: str) -> list[tuple[str, str]]:
    """The coins of that symbol, in whatever letter case, as (id, name), by id: never just one of several."""
    found = Asset.objects.filter(symbol=symbol.strip().upper()).order_by("id")
    return list(found.values_list("pk", "name")[:_CANDIDATES])
