"""Fills the asset table: our coins, and what each provider with ids of its own calls them.

Runs by itself (`providers.tasks.map_assets`): once a day for each such provider that may be used, and soon after one
may be used that never was. Where no such provider is in use, nothing is asked and nothing is written.
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

#: How long a mapping is fresh, and the least time between two tries that fail, in seconds.
_FRESH, _REST = 86_400, 300
#: The same where our own list could not be had: it may be longer by then.
_FRESH_WITHOUT_OURS = 3_600
#: One run at a time; the lock outlives the task's time limit (`providers.tasks`).
_LOCK, LOCK_SECONDS = "spot:identity:lock", 200
#: Rows a transaction: others may write in between.
_AT_ONCE = 1000
#: As long as the columns are.
_ID, _SYMBOL, _NAME = 100, 60, 300


class Ours(NamedTuple):
    """Our coins as rows of `ASSET_FIELDS`. `today`: as the provider of our ids lists them now, contracts included; else
    what the table remembers, or the list that ships with Spot."""

    rows: list[Row]
    today: bool


def reference() -> Provider | None:
    """The provider whose ids are ours."""
    able = (one for one in providers.all() if not (one.foreign or one.simulated) and one.endpoint("assets"))
    return next(able, None)


def map_due(redis: Redis, *, fetch: Callable[..., Fetched] = fetching.fetch) -> list[str]:
    """Map the providers that are due, unless somebody is at it; the names of those that were mapped.

    A provider that fails is tried again after five minutes, or when it says; with another key or address at once.
    """
    due = [provider for provider in providers.all() if _is_due(redis, provider)]
    lock = redis.lock(_LOCK, timeout=LOCK_SECONDS)
    if not due or not lock.acquire(blocking=False):
        return []
    try:
        ours = _ours(redis, fetch)
        return [provider.name for provider in due if ours.rows and _mapped(redis, provider, ours, fetch)]
    finally:
        with contextlib.suppress(LockError):  # it has ended by itself, and may be somebody else's by now
            lock.release()


def remap(redis: Redis, name: str) -> None:
    """Make the provider of that name due at once; a rest after a failure holds all the same."""
    redis.delete(_mapped_key(name))


def _is_due(redis: Redis, provider: Provider) -> bool:
    if settings.SPOT_DEMO == "on" or provider.simulated or not provider.foreign or not provider.endpoint("assets"):
        return False
    if not access.serving(provider, "assets") or redis.exists(_rest_key(provider)):
        return False
    fresh = redis.exists(_mapped_key(provider.name))
    return not (fresh and AssetAlias.objects.filter(provider=provider.name).exists())


def _rest(redis: Redis, provider: Provider, error: ProviderError) -> int:
    """Leave the provider alone for as long as the error says, in seconds."""
    rest = max(60 if error.retry_after else _REST, int(error.retry_after or 0))
    redis.set(_rest_key(provider), 1, ex=rest)
    return rest


def _mapped_key(name: str) -> str:
    return f"spot:identity:mapped:{name}"


def _rest_key(provider: Provider) -> str:
    """A rest is about address, plan and keys: with any of them changed there is none."""
    return f"spot:identity:rest:{provider.name}:{'-'.join(entry.route for entry in access.all_of(provider))}"


def _ours(redis: Redis, fetch: Callable[..., Fetched]) -> Ours:
    provider = reference()
    if provider is None:
        return Ours([], False)
    try:
        fetched = fetch(Dataset("assets", topic=provider.name), redis=redis)
    except ProviderError as error:
        rest = _rest(redis, provider, error)
        log.warning("our own list of coins cannot be had", error=error.message, again_in=rest)
        if not Asset.objects.exists():
            keep_assets(bundled.assets())
        fields = {"slug": "", "coin": "", "contracts": []}
        known = Asset.objects.values_list("pk", "symbol", "name")
        return Ours([{"foreign_id": pk, "symbol": symbol, "name": name, **fields} for pk, symbol, name in known], False)
    rows = [row for row in fetched.rows if 0 < len(row["foreign_id"]) <= _ID]
    keep_assets(rows)
    return Ours(rows, True)


def _mapped(redis: Redis, provider: Provider, ours: Ours, fetch: Callable[..., Fetched]) -> bool:
    """Whether it worked."""
    try:
        listed = fetch(Dataset("assets", topic=provider.name), redis=redis).rows
    except ProviderError as error:
        rest = _rest(redis, provider, error)
        log.warning("assets not mapped", provider=provider.name, error=error.message, again_in=rest)
        return False
    how = keep_aliases(provider.name, listed, ours)
    redis.set(_mapped_key(provider.name), 1, ex=_FRESH if ours.today else _FRESH_WITHOUT_OURS)
    counts = {kind or "unmatched": count for kind, count in how.items()}
    log.info("assets mapped", provider=provider.name, listed=len(listed), **counts)
    return True


# --- the tables -----------------------------------------------------------------------------------------------------
def keep_assets(rows: Sequence[Row]) -> None:
    """Make the table of our coins say what `rows` (`ASSET_FIELDS`, the whole list) say. Only changes are written."""
    there = {pk: said for pk, *said in Asset.objects.values_list("pk", "symbol", "name")}
    made = {row["foreign_id"]: [_symbol(row), row["name"][:_NAME]] for row in rows}
    changed = [Asset(id=pk, symbol=said[0], name=said[1]) for pk, said in made.items() if there.get(pk) != said]
    for part in _parts(changed):
        Asset.objects.bulk_create(part, update_conflicts=True, unique_fields=["id"], update_fields=["symbol", "name"])
    if _whole(made, there):
        kept = set(AssetAlias.objects.filter(matched=HAND).values_list("asset_id", flat=True))
        for gone in _parts(there.keys() - made.keys() - kept):
            Asset.objects.filter(pk__in=gone).delete()


def keep_aliases(name: str, listed: Sequence[Row], ours: Ours) -> Counter[str]:
    """Make the table say what that provider calls our coins. Counts each way of recognising; "" where none led there.

    Nothing that an operator decided is changed. While today's list of our own coins is missing, nothing that was
    recognised before is either: with less to go by, it might be lost.
    """
    there = {alias.foreign_id: alias for alias in AssetAlias.objects.filter(provider=name)}
    fixed = {one.foreign_id for one in there.values() if one.matched == HAND or (one.asset_id and not ours.today)}
    rows = {row["foreign_id"]: row for row in listed if 0 < len(row["foreign_id"]) <= _ID}
    found = match(
        [row for foreign_id, row in rows.items() if foreign_id not in fixed],
        ours.rows,
        before={one.foreign_id: one.asset_id for one in there.values() if one.asset_id},
        taken={asset for one in fixed if (asset := there[one].asset_id)},
    )
    made = [_alias(name, rows[one.foreign_id], one) for one in found]
    for part in _parts([one for one in made if _said(one) != _said(there.get(one.foreign_id))]):
        _write(name, part)
    if _whole(rows, there):
        for gone in _parts(there.keys() - rows.keys() - fixed):
            AssetAlias.objects.filter(provider=name, foreign_id__in=gone).exclude(matched=HAND).delete()
    return Counter(one.how for one in found) + Counter(there[one].matched for one in fixed & rows.keys())


def _alias(name: str, row: Row, found: Match) -> AssetAlias:
    said = {"symbol": _symbol(row), "name": row["name"][:_NAME]}
    return AssetAlias(provider=name, foreign_id=found.foreign_id, asset_id=found.coin, matched=found.how, **said)


def _said(alias: AssetAlias | None) -> tuple[Any, ...]:
    return (alias.symbol, alias.name, alias.asset_id, alias.matched) if alias else ()


def _write(name: str, part: list[AssetAlias]) -> None:
    """Insert or update; an operator who has decided meanwhile was first."""
    with transaction.atomic():
        meant = AssetAlias.objects.select_for_update().filter(
            provider=name, foreign_id__in=[one.foreign_id for one in part]
        )
        decided = {foreign_id for foreign_id, matched in meant.values_list("foreign_id", "matched") if matched == HAND}
        AssetAlias.objects.bulk_create(
            [one for one in part if one.foreign_id not in decided],
            update_conflicts=True,
            unique_fields=["provider", "foreign_id"],
            update_fields=["symbol", "name", "asset", "matched"],
        )


def _whole(now: Iterable[str], before: Iterable[str]) -> bool:
    """Whether a list can be the whole: one that has lost half its rows overnight is cut off, and takes nothing away."""
    return len(set(now)) * 2 >= len(set(before))


def _symbol(row: Row) -> str:
    return str(row["symbol"]).upper()[:_SYMBOL]


def _parts(things: Iterable[T]) -> Iterator[list[T]]:
    ordered = list(things)
    return (ordered[at : at + _AT_ONCE] for at in range(0, len(ordered), _AT_ONCE))
