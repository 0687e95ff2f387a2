"""The ledger: the usage of each account by day (UTC).

Redis counts the calls, so that fetching does not need the database; a task copies the counters every minute. Copying
twice changes nothing. Each attempt counts once; the budget counts the cost of streams itself.
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
from providers.pipelines import Commands, write

_FIELDS = ("calls", "failures", "millicredits")
#: Days for which the counters stay in Redis, should the database be unreachable.
_KEEP_DAYS = 40


def counting(access: Access, calls: int, millicredits: int, failures: int, now_ms: int) -> Commands[None]:
    """Count usage, as a part of a round trip."""
    if access.provider.simulated:
        return write()
    key = _key(_day(now_ms))
    amounts = zip(_FIELDS, (calls, failures, millicredits), strict=True)
    increments = [
        ("HINCRBY", key, f"{access.provider.name} {access.account} {name}", amount)
        for name, amount in amounts
        if amount
    ]
    return write(*increments, ("EXPIRE", key, _KEEP_DAYS * 86_400))


def note(redis: Redis, access: Access, calls: int, millicredits: int, failures: int, now_ms: int) -> None:
    """The same at once."""
    counting(access, calls, millicredits, failures, now_ms).run(redis)


def count(pipe: Any, access: Access, calls: int, millicredits: int, failures: int, now_ms: int) -> None:
    """The same in the caller's pipeline."""
    for command in counting(access, calls, millicredits, failures, now_ms).commands:
        pipe.execute_command(*command)


def keep(redis: Redis, now_ms: int) -> int:
    """Copy the counters into the database; the number of lines written. Complete counters of former days are deleted.
    A counter that Redis lost never lowers the number in the database."""
    today, names = _day(now_ms), key_names()
    lines = 0
    for key in sorted(redis.scan_iter(match=_key("*"))):
        day = date.fromisoformat(key.decode().rpartition(":")[2])
        for (provider, account), amounts in _by_account(redis.hgetall(key)).items():
            _write(provider, account, day, amounts, names.get(account, ""))
            lines += 1
        if day < today - timedelta(days=1):
            redis.delete(key)
    return lines


def _by_account(counters: Mapping[Any, Any]) -> dict[tuple[str, str], dict[str, int]]:
    amounts: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for field, amount in counters.items():
        provider, account, name = field.decode().split(" ")
        amounts[provider, account][name] = int(amount)
    return amounts


def key_names() -> dict[str, str]:
    """By account, the name of its key, for keys in use."""
    return {entry.account: entry.key_name for provider in providers.all() for entry in access.all_of(provider)}


def _write(provider: str, account: str, day: date, amounts: dict[str, int], name: str) -> None:
    defaults = {**amounts, "key": name}
    line, created = DailyUsage.objects.get_or_create(provider=provider, account=account, day=day, defaults=defaults)
    if not created:
        changes: dict[str, Any] = {field: Greatest(field, amount) for field, amount in amounts.items()}
        DailyUsage.objects.filter(pk=line.pk).update(**changes, **({"key": name} if name else {}))


def _day(now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def _key(day: object) -> str:
    return f"spot:ledger:{day}"
