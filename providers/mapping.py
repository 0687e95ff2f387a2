"""Fills the asset table: our coins, and the ids that other providers have for them.

It runs as a task (`providers.tasks.map_assets`): daily for each provider with ids of its own that is in use, and soon
after such a provider is used for the first time. Without such a provider it does nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.exceptions import LockError

import providers
from providers import access, bundled, fetching
from providers.base import Provider
from providers.datasets import Dataset, Fetched, Row
from providers.errors import ProviderError
from providers.matching import HAND, Match, match
from providers.models import Asset, AssetAlias

log = structlog.get_logger("providers.mapping")
T = TypeVar("T")

#: How long a mapping is fresh, and the rest after a failure, in seconds.
_FRESH, _REST = 86_400, 300
#: How long a mapping without our current list is fresh.
_FRESH_WITHOUT_OURS = 3_600
#: One run at a time; the lock outlasts the task's time limit (`providers.tasks`).
_LOCK, LOCK_SECONDS = "spot:identity:lock", 200
#: Rows per transaction, so that others can write in between.
_AT_ONCE = 1000
#: The lengths of the columns.
_ID, _SYMBOL, _NAME = 100, 60, 300


class Ours(NamedTuple):
    """Our coins as rows of `ASSET_FIELDS`. `current`: from a list fetched now, with contracts; else from the table, or
    from the list that ships with Spot."""

    rows: list[Row]
    current: bool


def reference() -> Provider | None:
    """The provider whose ids are ours."""
    own = (provider for provider in providers.all() if not (provider.foreign or provider.simulated))
    return next((provider for provider in own if provider.endpoint("assets")), None)


def map_due(redis: Redis, *, fetch: Callable[..., Fetched] = fetching.fetch) -> list[str]:
    """Map the providers that are due, unless another process does; the names of those that were mapped.

    A provider that fails is retried after five minutes or its Retry-After, with another key or address at once.
    """
    due = [provider for provider in providers.all() if _is_due(redis, provider)]
    lock = redis.lock(_LOCK, timeout=LOCK_SECONDS)
    if not due or not lock.acquire(blocking=False):
        return []
    try:
        ours = _ours(redis, fetch)
        return [provider.name for provider in due if ours.rows and _mapped(redis, provider, ours, fetch)]
    finally:
        with contextlib.suppress(LockError):  # it has expired, and another process may have it by now
            lock.release()


def remap(redis: Redis, name: str) -> None:
    """Make the provider of that name due at once, unless it rests after a failure."""
    redis.delete(_mapped_key(name))


def _is_due(redis: Redis, provider: Provider) -> bool:
    if settings.SPOT_DEMO == "on" or provider.simulated or not provider.foreign or not provider.endpoint("assets"):
        return False
    if not access.for_kind(provider, "assets") or redis.exists(_rest_key(provider)):
        return False
    fresh = redis.exists(_mapped_key(provider.name))
    return not (fresh and AssetAlias.objects.filter(provider=provider.name).exists())


def _rest(redis: Redis, provider: Provider, error: ProviderError) -> int:
    """Start a rest of the length that the error states; its seconds."""
    rest = max(60 if error.retry_after else _REST, int(error.retry_after or 0))
    redis.set(_rest_key(provider), 1, ex=rest)
    return rest


def _mapped_key(name: str) -> str:
    return f"spot:identity:mapped:{name}"


def _rest_key(provider: Provider) -> str:
    """The key of a rest includes address, plan and keys, so that a change of them ends it."""
    return f"spot:identity:rest:{provider.name}:{'-'.join(entry.route for entry in access.all_of(provider))}"


def _ours(redis: Redis, fetch: Callable[..., Fetched]) -> Ours:
    provider = reference()
    if provider is None:
        return Ours([], False)
    try:
        fetched = fetch(Dataset("assets", topic=provider.name), redis=redis)
    except ProviderError as error:
        rest = _rest(redis, provider, error)
        log.warning("list of coins not fetched", error=error.message, retry_in=rest)
        if not Asset.objects.exists():
            keep_assets(bundled.assets())
        fields = {"slug": "", "coin": "", "contracts": []}
        table = Asset.objects.values_list("pk", "symbol", "name")
        return Ours([{"foreign_id": pk, "symbol": symbol, "name": name, **fields} for pk, symbol, name in table], False)
    rows = [row for row in fetched.rows if 0 < len(row["foreign_id"]) <= _ID]
    keep_assets(rows)
    return Ours(rows, True)


def _mapped(redis: Redis, provider: Provider, ours: Ours, fetch: Callable[..., Fetched]) -> bool:
    """Map one provider; whether that succeeded."""
    try:
        listed = fetch(Dataset("assets", topic=provider.name), redis=redis).rows
    except ProviderError as error:
        rest = _rest(redis, provider, error)
        log.warning("assets not mapped", provider=provider.name, error=error.message, retry_in=rest)
        return False
    evidence = keep_aliases(provider.name, listed, ours)
    redis.set(_mapped_key(provider.name), 1, ex=_FRESH if ours.current else _FRESH_WITHOUT_OURS)
    counts = {kind or "unmatched": count for kind, count in evidence.items()}
    log.info("assets mapped", provider=provider.name, listed=len(listed), **counts)
    return True


# --- the tables -----------------------------------------------------------------------------------------------------
def keep_assets(rows: Sequence[Row]) -> None:
    """Update the table of our coins to `rows` (`ASSET_FIELDS`, the complete list). Only changes are written."""
    stored = {pk: titles for pk, *titles in Asset.objects.values_list("pk", "symbol", "name")}
    listed = {row["foreign_id"]: [_symbol(row), row["name"][:_NAME]] for row in rows}
    changed = [
        Asset(id=pk, symbol=titles[0], name=titles[1]) for pk, titles in listed.items() if stored.get(pk) != titles
    ]
    for part in _parts(changed):
        Asset.objects.bulk_create(part, update_conflicts=True, unique_fields=["id"], update_fields=["symbol", "name"])
    if _is_complete(listed, stored):
        chosen = set(AssetAlias.objects.filter(matched=HAND).values_list("asset_id", flat=True))
        for removed in _parts(stored.keys() - listed.keys() - chosen):
            Asset.objects.filter(pk__in=removed).delete()


def keep_aliases(name: str, listed: Sequence[Row], ours: Ours) -> Counter[str]:
    """Update the table of a provider's ids for our coins. Counts the matches by evidence, "" for none.

    An operator's choices stay. Without our current list all former matches stay as well, since the evidence is less.
    """
    stored = {alias.foreign_id: alias for alias in AssetAlias.objects.filter(provider=name)}
    fixed = {
        alias.foreign_id for alias in stored.values() if alias.matched == HAND or (alias.asset_id and not ours.current)
    }
    rows = {row["foreign_id"]: row for row in listed if 0 < len(row["foreign_id"]) <= _ID}
    matches = match(
        [row for foreign_id, row in rows.items() if foreign_id not in fixed],
        ours.rows,
        before={alias.foreign_id: alias.asset_id for alias in stored.values() if alias.asset_id},
        taken={asset for foreign_id in fixed if (asset := stored[foreign_id].asset_id)},
    )
    aliases = [_alias(name, rows[result.foreign_id], result) for result in matches]
    for part in _parts([alias for alias in aliases if _fields(alias) != _fields(stored.get(alias.foreign_id))]):
        _write(name, part)
    if _is_complete(rows, stored):
        for removed in _parts(stored.keys() - rows.keys() - fixed):
            AssetAlias.objects.filter(provider=name, foreign_id__in=removed).exclude(matched=HAND).delete()
    return Counter(result.how for result in matches) + Counter(stored[alias].matched for alias in fixed & rows.keys())


def _alias(name: str, row: Row, result: Match) -> AssetAlias:
    titles = {"symbol": _symbol(row), "name": row["name"][:_NAME], "slug": row["slug"][:_ID]}
    return AssetAlias(provider=name, foreign_id=result.foreign_id, asset_id=result.coin, matched=result.how, **titles)


def _fields(alias: AssetAlias | None) -> tuple[Any, ...]:
    return (alias.symbol, alias.name, alias.slug, alias.asset_id, alias.matched) if alias else ()


def _write(name: str, part: list[AssetAlias]) -> None:
    """Insert or update, except where an operator has chosen meanwhile."""
    with transaction.atomic():
        locked = AssetAlias.objects.select_for_update().filter(
            provider=name, foreign_id__in=[alias.foreign_id for alias in part]
        )
        chosen = {foreign_id for foreign_id, matched in locked.values_list("foreign_id", "matched") if matched == HAND}
        AssetAlias.objects.bulk_create(
            [alias for alias in part if alias.foreign_id not in chosen],
            update_conflicts=True,
            unique_fields=["provider", "foreign_id"],
            update_fields=["symbol", "name", "slug", "asset", "matched"],
        )


def _is_complete(listed: Iterable[str], stored: Iterable[str]) -> bool:
    """Whether a list may be complete: one with less than half of the former rows is truncated, and deletes nothing."""
    return len(set(listed)) * 2 >= len(set(stored))


def _symbol(row: Row) -> str:
    return str(row["symbol"]).upper()[:_SYMBOL]


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    ordered = list(items)
    return (ordered[at : at + _AT_ONCE] for at in range(0, len(ordered), _AT_ONCE))
