"""Translates coins between our ids and those of providers with ids of their own.

The source is the asset table, which `providers.mapping` fills and an operator may correct. Coins without an entry are
not translated: a symbol is no evidence. Results are cached for a few seconds, so that streams can translate every
message, and an operator's changes apply within seconds in every process.
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

#: How long a translation is cached, in seconds.
_FRESH_SECONDS = 3.0
#: Translations cached; beyond that the cache is cleared.
_MOST_CACHED = 50_000
#: Ids per query.
_AT_ONCE = 500
#: Candidates returned for a symbol.
_CANDIDATES = 50


class Dictionary:
    """A process's cache of translations. `clock` is in seconds and monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # (provider, direction, id) -> (its translation, when that expires)
        self._cache: dict[tuple[str, str, str], tuple[str | None, float]] = {}
        self._unread = False

    def canonical(self, provider_name: str, foreign_ids: Iterable[str]) -> dict[str, str]:
        """Our ids by that provider's, without unmatched ones."""
        return self._translated(provider_name, "canonical", foreign_ids, _canonical)

    def foreign(self, provider_name: str, canonical_ids: Iterable[str]) -> dict[str, str]:
        """That provider's ids by ours, without unmatched ones."""
        return self._translated(provider_name, "foreign", canonical_ids, _foreign)

    def _translated(
        self, name: str, direction: str, ids: Iterable[str], query: Callable[[str, list[str]], dict[str, str]]
    ) -> dict[str, str]:
        wanted = list(dict.fromkeys(ids))
        provider = providers.get(name)
        if provider is not None and not provider.foreign:
            return {coin: coin for coin in wanted}
        now = self._clock()
        cached = {coin: self._cache.get((name, direction, coin), (None, 0.0)) for coin in wanted}
        translations = {coin: translation for coin, (translation, _) in cached.items()}
        expired = [coin for coin, (_, until) in cached.items() if until <= now]
        for at in range(0, len(expired), _AT_ONCE):
            translations |= self._renewed(name, direction, expired[at : at + _AT_ONCE], query)
        return {coin: translation for coin, translation in translations.items() if translation is not None}

    def _renewed(
        self, name: str, direction: str, ids: list[str], query: Callable[[str, list[str]], dict[str, str]]
    ) -> dict[str, str | None]:
        """Translations from the database; none while it is unreachable, so that expired ones stay in use."""
        try:
            stored = query(name, ids)
        except DatabaseError as error:
            if not self._unread:
                log.warning("asset table not read, using the last translations", error=str(error))
            self._unread = True
            return {}
        self._unread = False
        if len(self._cache) + len(ids) > _MOST_CACHED:
            self._cache.clear()
        until = self._clock() + _FRESH_SECONDS
        translations = {coin: stored.get(coin) for coin in ids}
        self._cache.update({(name, direction, coin): (result, until) for coin, result in translations.items()})
        return translations


def _canonical(name: str, ids: list[str]) -> dict[str, str]:
    aliases = AssetAlias.objects.filter(provider=name, foreign_id__in=ids, asset__isnull=False)
    return {theirs: str(ours) for theirs, ours in aliases.values_list("foreign_id", "asset_id")}


def _foreign(name: str, ids: list[str]) -> dict[str, str]:
    """Of several aliases, the one that an operator chose; else the newest."""
    aliases = AssetAlias.objects.filter(provider=name, asset_id__in=ids)
    rows = aliases.values_list("asset_id", "foreign_id", "matched", "pk")
    return {str(ours): theirs for ours, theirs, _, _ in sorted(rows, key=lambda row: (row[2] == HAND, row[3]))}


_dictionary = Dictionary()


def canonical(provider_name: str, foreign_ids: Iterable[str]) -> dict[str, str]:
    """Our ids by that provider's, without unmatched ones; the same ids for a provider whose ids are ours."""
    return _dictionary.canonical(provider_name, foreign_ids)


def foreign(provider_name: str, canonical_ids: Iterable[str]) -> dict[str, str]:
    """That provider's ids by ours, without unmatched ones; the same ids for a provider whose ids are ours."""
    return _dictionary.foreign(provider_name, canonical_ids)


def candidates(symbol: str) -> list[tuple[str, str]]:
    """The coins with that symbol, ignoring case, as (id, name), by id."""
    assets = Asset.objects.filter(symbol=symbol.strip().upper()).order_by("id")
    return list(assets.values_list("pk", "name")[:_CANDIDATES])
