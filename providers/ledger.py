"""The ledger: what each account used on each day (UTC).

Calls are counted in Redis, so that prices go on without the database; a task copies the counters over every minute.
Copying twice changes nothing. Whoever fetches calls `note` once a fetch; what streams cost, the budget counts itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models.functions import Greatest
from redis import Redis

import providers
from providers import access
from providers.access import Access
from providers.models import DailyUsage

_FIELDS = ("calls", "failures", "millicredits")
#: Days for which the counters wait to be copied, while the database is away.
_KEEP_DAYS = 40


def note(redis: Redis, access: Access, calls: int, millicredits: int, failures: int, now_ms: int) -> None:
    """Count what was just used."""
    pipe = redis.pipeline(transaction=False)
    count(pipe, access, calls, millicredits, failures, now_ms)
    pipe.execute()


def count(pipe: Any, access: Access, calls: int, millicredits: int, failures: int, now_ms: int) -> None:
    """The same, as a part of the caller's pipeline."""
    if access.provider.simulated:
        return
    key = _key(_day(now_ms))
    for name, amount in zip(_FIELDS, (calls, failures, millicredits), strict=True):
        if amount:
            pipe.hincrby(key, f"{access.provider.name} {access.account} {name}", amount)
    pipe.expire(key, _KEEP_DAYS * 86_400)


def keep(redis: Redis, now_ms: int) -> int:
    """Copy the counters into the database; the number of lines written. What was copied whole and cannot change any
    more is forgotten. A counter that was lost never lowers what is in the database."""
    today, names = _day(now_ms), key_names()
    lines = 0
    for key in sorted(redis.scan_iter(match=_key("*"))):
        day = date.fromisoformat(key.decode().rpartition(":")[2])
        counted = redis.hgetall(key)
        for (provider, account), amounts in _by_account(counted).items():
            _write(provider, account, day, amounts, names.get(account, ""))
            lines += 1
        if day < today - timedelta(days=1):
            redis.delete(key)
    return lines


def _by_account(counted: Mapping[Any, Any]) -> dict[tuple[str, str], dict[str, int]]:
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for field, amount in counted.items():
        provider, account, name = field.decode().split(" ")
        found[provider, account][name] = int(amount)
    return found


def key_names() -> dict[str, str]:
    """By account, the name under which its key is shown everywhere; those of keys that are in use."""
    return {entry.account: entry.key_name for provider in providers.all() for entry in access.all_of(provider)}


def _write(provider: str, account: str, day: date, amounts: dict[str, int], name: str) -> None:
    first = {**amounts, "key": name}
    line, made = DailyUsage.objects.get_or_create(provider=provider, account=account, day=day, defaults=first)
    if not made:
        higher = {field: Greatest(field, amount) for field, amount in amounts.items()}
        named = {"key": name} if name else {}
        DailyUsage.objects.filter(pk=line.pk).update(**higher, **named)


def _day(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def _key(day: object) -> str:
    return f"spot:ledger:{day}"
