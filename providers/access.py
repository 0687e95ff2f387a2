"""The access to a provider: addresses, key and limits in force.

Precedence: the key's row, the provider's row, the environment, the plan. Every fetch reads them, so that an operator's
changes apply from the next call, in every process.

Each enabled key is an access with an allowance of its own; `Budget.in_turn` orders them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from providers.base import Plan, Provider
from providers.datasets import Kind
from providers.models import ApiKey, ProviderSettings
from providers.vault import Locked, Secret

log = structlog.get_logger("providers.access")

#: The last rows that this process read, and the providers whose rows it cannot read now.
_cache: dict[str, tuple[ProviderSettings, list[ApiKey]]] = {}
_unread: set[str] = set()


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses have no trailing slash; `key` is false without a key; a limit of 0 is none. `per_minute` counts calls,
    `per_month` credits (which are calls with some providers)."""

    provider: Provider
    plan: Plan
    base_url: str
    key: Secret
    per_minute: int
    per_month: int
    enabled: bool = True
    stream_url: str = ""

    @property
    def usable(self) -> bool:
        """Whether calls are possible with it: enabled, and with a key where the plan needs one."""
        return self.enabled and (bool(self.key) or not self.plan.header)

    @property
    def key_name(self) -> str:
        """The name of the key for display: its last four characters, as in `ApiKey.masked`."""
        text = self.key.reveal()
        return "no key" if not text else f"••••{text[-4:]}" if len(text) >= 12 else "••••"

    @property
    def account(self) -> str:
        """The account whose allowance a call spends. Each key is an account of its own."""
        return (
            f"{self.provider.name}:{_short(self.key.reveal())}"
            if self.key
            else f"{self.provider.name}:{self.plan.name}"
        )

    @property
    def route(self) -> str:
        """A short hash of address, plan and key: a rest applies to the three together, and ends when one changes."""
        return _short(f"{self.base_url} {self.plan.name} {self.key.reveal()}")

    @property
    def usual_address(self) -> bool:
        """Whether calls go to the provider's own host, where the documented cache times hold."""
        return self.base_url == self.plan.base_url


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def of(provider: Provider, key: ApiKey | None = None) -> Access:
    """The access to the provider in force, with the newest of several keys; or the one with `key`, to test it. Without
    a key that the provider needs, it is not `usable`."""
    row, keys = _rows(provider)
    return _accesses(provider, row, [key] if key else keys)[0]


def all_of(provider: Provider) -> list[Access]:
    """All usable accesses, newest key first: one per enabled key that can be decrypted, else the environment's key,
    else the plan without a key. Empty for a provider that is switched off, or lacks a key that it needs."""
    return [entry for entry in _accesses(provider, *_rows(provider)) if entry.usable]


def for_kind(provider: Provider, kind: Kind) -> list[Access]:
    """The accesses of `all_of` that can serve that kind of dataset over REST: their plan has it."""
    return [entry for entry in all_of(provider) if entry.base_url and kind not in entry.plan.lacks]


def secrets_of(row: ProviderSettings) -> list[Secret]:
    """Every key of a provider that can be decrypted, enabled or not, and the environment's."""
    provider = row.provider
    if provider is None:
        return []
    stored = [secret for _, secret, _ in _stored(provider, list(row.keys.all()))]
    return [*stored, *filter(None, [_environment(provider)[1]])]


def _accesses(provider: Provider, row: ProviderSettings, keys: list[ApiKey]) -> list[Access]:
    entries = [_access(provider, row, *credential) for credential in _credentials(provider, keys)]
    return list({entry.account: entry for entry in reversed(entries)}.values())[::-1]  # a repeated key is one account


def _access(provider: Provider, row: ProviderSettings, plan: Plan, secret: Secret, key: ApiKey | None) -> Access:
    minute, month = (key.per_minute, key.per_month) if key else (None, None)
    return Access(
        provider=provider,
        plan=plan,
        base_url=(row.base_url or _setting(provider, "BASE_URL") or plan.base_url).rstrip("/"),
        key=secret,
        per_minute=_first(minute, row.per_minute, _setting(provider, "CALLS_PER_MINUTE"), plan.per_minute),
        per_month=_first(month, row.per_month, _setting(provider, "CALLS_PER_MONTH"), plan.per_month),
        enabled=row.enabled,
        stream_url=(row.stream_url or _setting(provider, "STREAM_URL") or plan.stream_url).rstrip("/"),
    )


def _rows(provider: Provider) -> tuple[ProviderSettings, list[ApiKey]]:
    """The settings and the enabled keys, newest first. While the database is unreachable, those that this process read
    last, since fetching must go on."""
    try:
        row = ProviderSettings.objects.filter(name=provider.name).first() or ProviderSettings(name=provider.name)
        _cache[provider.name] = row, list(row.keys.filter(enabled=True).order_by("-pk")) if row.pk else []
        _unread.discard(provider.name)
    except DatabaseError as error:
        if provider.name not in _unread:
            _unread.add(provider.name)
            log.warning("settings not read, using the last ones", provider=provider.name, error=str(error))
    return _cache.get(provider.name) or (ProviderSettings(name=provider.name), [])


def _credentials(provider: Provider, keys: list[ApiKey]) -> list[tuple[Plan, Secret, ApiKey | None]]:
    """The keys that can be decrypted and whose plan exists; else the environment's key; else the first plan."""
    return [*_stored(provider, keys)] or [(*_environment(provider), None)]


def _stored(provider: Provider, keys: list[ApiKey]) -> Iterator[tuple[Plan, Secret, ApiKey]]:
    for key in keys:
        plan = provider.plan(key.plan)
        try:
            if plan and plan.header:
                yield plan, key.secret, key
        except Locked:
            continue  # the system check and the admin report it


def _environment(provider: Provider) -> tuple[Plan, Secret]:
    secret = Secret((_setting(provider, "API_KEY") or "").strip())
    plan = planned(provider, _setting(provider, "PLAN") or "", keyed=bool(secret))
    return (plan, secret) if secret and plan and plan.header else (provider.plans[0], Secret(""))


def planned(provider: Provider, name: str, *, keyed: bool) -> Plan | None:
    """The plan of that name, or None. Without a name: the first plan with a key if there is one, else the first."""
    if name:
        return provider.plan(name)
    return next((plan for plan in provider.plans if keyed and plan.header), provider.plans[0])


def _setting(provider: Provider, what: str) -> Any:
    """A setting such as COINGECKO_BASE_URL."""
    return getattr(settings, f"{provider.name.upper()}_{what}", None)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
