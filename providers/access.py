"""How a provider is to be reached right now: addresses, key and limits, by the order of precedence.

The key's own row, then the provider's, then the environment, then the plan's own. Read anew for every fetch, so that
what an operator changes holds from the next call on, in every process.

Several enabled keys are several accesses, each with an allowance of its own; `Budget.in_turn` says which is next.
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

#: What the database last said to this process, and the providers about which it says nothing now.
_known: dict[str, tuple[ProviderSettings, list[ApiKey]]] = {}
_away: set[str] = set()


@dataclass(frozen=True, slots=True)
class Access:
    """Addresses without a slash at their end; `key` is false when none is sent; 0 is no limit. `per_minute` counts
    calls, `per_month` what the provider bills: credits, or calls where that is the same."""

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
        """Whether anything may be asked with it: switched on, and with a key where the plan needs one."""
        return self.enabled and (bool(self.key) or not self.plan.header)

    @property
    def key_name(self) -> str:
        """The key's name wherever one is shown: its last four characters, as `ApiKey.masked` has them."""
        text = self.key.reveal()
        return "no key" if not text else f"••••{text[-4:]}" if len(text) >= 12 else "••••"

    @property
    def account(self) -> str:
        """Whose allowance a call spends: another key is another account, and comes with a clean slate."""
        return (
            f"{self.provider.name}:{_short(self.key.reveal())}"
            if self.key
            else f"{self.provider.name}:{self.plan.name}"
        )

    @property
    def route(self) -> str:
        """Short name of address, plan and key together: what a rest is about, so that mending any of them ends it."""
        return _short(f"{self.base_url} {self.plan.name} {self.key.reveal()}")

    @property
    def usual_address(self) -> bool:
        """Whether calls go to the provider's own host, where the documented cache times hold."""
        return self.base_url == self.plan.base_url


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def of(provider: Provider, key: ApiKey | None = None) -> Access:
    """Today's access to the provider, the newest key's where there are several; with `key`, as if that one were the
    one in use (to try it). Where a key is needed and there is none, it is not `usable`."""
    row, keys = _rows(provider)
    return _accesses(provider, row, [key] if key else keys)[0]


def all_of(provider: Provider) -> list[Access]:
    """Every access that may be used now, newest key first: one an enabled key that can be read, else the environment's
    key, else the plan that takes none. Empty for a provider that is switched off, or needs a key and has none."""
    return [entry for entry in _accesses(provider, *_rows(provider)) if entry.usable]


def serving(provider: Provider, kind: Kind) -> list[Access]:
    """Those of `all_of` by which that kind of dataset can be had: over REST, with a plan that does not lack it."""
    return [entry for entry in all_of(provider) if entry.base_url and kind not in entry.plan.lacks]


def secrets_of(row: ProviderSettings) -> list[Secret]:
    """Every key of a provider that can be read, in use or switched off, and the environment's."""
    provider = row.provider
    if provider is None:
        return []
    stored = [secret for _, secret, _ in _stored(provider, list(row.keys.all()))]
    return [*stored, *filter(None, [_environment(provider)[1]])]


def _accesses(provider: Provider, row: ProviderSettings, keys: list[ApiKey]) -> list[Access]:
    made = [_access(provider, row, *found) for found in _credentials(provider, keys)]
    return list({entry.account: entry for entry in reversed(made)}.values())[::-1]  # the same key twice is one account


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
    """The settings and the enabled keys, newest first; while the database is away, what it last said to this process,
    because prices must go on without it."""
    try:
        row = ProviderSettings.objects.filter(name=provider.name).first() or ProviderSettings(name=provider.name)
        _known[provider.name] = row, list(row.keys.filter(enabled=True).order_by("-pk")) if row.pk else []
        _away.discard(provider.name)
    except DatabaseError as error:
        if provider.name not in _away:
            _away.add(provider.name)
            log.warning("settings unread, the last known hold", provider=provider.name, error=str(error))
    return _known.get(provider.name) or (ProviderSettings(name=provider.name), [])


def _credentials(provider: Provider, keys: list[ApiKey]) -> list[tuple[Plan, Secret, ApiKey | None]]:
    """The keys that can be read and whose plan exists; else the environment's; else the first plan without any."""
    return [*_stored(provider, keys)] or [(*_environment(provider), None)]


def _stored(provider: Provider, keys: list[ApiKey]) -> Iterator[tuple[Plan, Secret, ApiKey]]:
    for key in keys:
        plan = provider.plan(key.plan)
        try:
            if plan and plan.header:
                yield plan, key.secret, key
        except Locked:
            continue  # the system check and the admin say so; the next best is used meanwhile


def _environment(provider: Provider) -> tuple[Plan, Secret]:
    secret = Secret((_setting(provider, "API_KEY") or "").strip())
    plan = planned(provider, _setting(provider, "PLAN") or "", keyed=bool(secret))
    return (plan, secret) if secret and plan and plan.header else (provider.plans[0], Secret(""))


def planned(provider: Provider, name: str, *, keyed: bool) -> Plan | None:
    """The plan of that name; None when there is none. Without a name, for a key the first plan that takes one, else
    the first of all."""
    if name:
        return provider.plan(name)
    return next((plan for plan in provider.plans if keyed and plan.header), provider.plans[0])


def _setting(provider: Provider, what: str) -> Any:
    """COINGECKO_BASE_URL and its like: settings.py has the names that exist."""
    return getattr(settings, f"{provider.name.upper()}_{what}", None)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
