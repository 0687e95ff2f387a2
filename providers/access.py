"""How a provider is to be reached right now: address, key and limits, by the order of precedence.

Database row, then environment, then the plan's own. Read anew for every fetch, so that what an operator changes holds
from the next call on, in every process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from providers.base import Plan, Provider
from providers.models import ApiKey, ProviderSettings
from providers.vault import Locked, Secret

log = structlog.get_logger("providers.access")

#: What the database last said to this process, and the providers about which it says nothing now.
_known: dict[str, tuple[ProviderSettings, list[ApiKey]]] = {}
_away: set[str] = set()


@dataclass(frozen=True, slots=True)
class Access:
    """The address without a slash at its end; `key` is false when none is sent; limits in calls, 0 for none."""

    provider: Provider
    plan: Plan
    base_url: str
    key: Secret
    per_minute: int
    per_month: int
    enabled: bool = True

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
    """Today's access to the provider; with `key`, as if that one were the one in use (to try it)."""
    row, keys = _rows(provider)
    plan, secret = _credentials(provider, [key] if key else keys)
    return Access(
        provider=provider,
        plan=plan,
        base_url=(row.base_url or _setting(provider, "BASE_URL") or plan.base_url).rstrip("/"),
        key=secret,
        per_minute=_first(row.per_minute, _setting(provider, "CALLS_PER_MINUTE"), plan.per_minute),
        per_month=_first(row.per_month, _setting(provider, "CALLS_PER_MONTH"), plan.per_month),
        enabled=row.enabled,
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


def _credentials(provider: Provider, keys: list[ApiKey]) -> tuple[Plan, Secret]:
    """The first key that can be read and whose plan exists; else the environment's; else the plan that takes none."""
    for key in keys:
        plan = provider.plan(key.plan)
        try:
            if plan and plan.header:
                return plan, key.secret
        except Locked:
            continue  # the system check and the admin say so; the next best is used meanwhile
    secret = Secret((_setting(provider, "API_KEY") or "").strip())
    plan = provider.plan(_setting(provider, "PLAN") or "")
    if secret and plan and plan.header:
        return plan, secret
    return provider.plans[0], Secret("")


def _setting(provider: Provider, what: str) -> Any:
    """COINGECKO_BASE_URL and its like: settings.py has the names that exist."""
    return getattr(settings, f"{provider.name.upper()}_{what}", None)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
