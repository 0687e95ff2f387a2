"""System checks: invalid values in the environment or the database, with a hint for the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

import providers
from providers.access import planned
from providers.base import Provider, base_url_problem, stream_url_problem
from providers.models import LEAST_PER_MINUTE, ApiKey, ProviderSettings
from providers.vault import Locked


@register("providers")
def environment(**_kwargs: Any) -> list[CheckMessage]:
    """Check the environment of each provider."""
    return [message for provider in providers.all() for message in _of(provider)]


def _of(provider: Provider) -> Iterator[CheckMessage]:
    prefix = provider.name.upper()
    for what, problem_of in (("BASE_URL", base_url_problem), ("STREAM_URL", stream_url_problem)):
        if (url := getattr(settings, f"{prefix}_{what}", "")) and (problem := problem_of(url)):
            yield Error(f"{prefix}_{what} cannot be used: {problem}", id="providers.E001")
    per_minute = getattr(settings, f"{prefix}_CALLS_PER_MINUTE", None)
    if per_minute is not None and (per_minute < 0 or 0 < per_minute < LEAST_PER_MINUTE):
        hint = f"At least {LEAST_PER_MINUTE}, because a fetch of the market is two calls; or 0 for no limit."
        yield Error(f"{prefix}_CALLS_PER_MINUTE is {per_minute}.", hint=hint, id="providers.E002")
    if (getattr(settings, f"{prefix}_CALLS_PER_MONTH", None) or 0) < 0:
        yield Error(f"{prefix}_CALLS_PER_MONTH is below zero.", hint="0 means no limit.", id="providers.E003")
    yield from _of_key(provider, prefix)


def _of_key(provider: Provider, prefix: str) -> Iterator[CheckMessage]:
    key, name = (getattr(settings, f"{prefix}_{what}", "").strip() for what in ("API_KEY", "PLAN"))
    plan = planned(provider, name, keyed=bool(key))
    if plan is None:
        plans = ", ".join(plan.name for plan in provider.plans)
        yield Error(f"{prefix}_PLAN is {name!r}.", hint=f"{provider.label} has: {plans}.", id="providers.E004")
    elif key and not plan.header:
        with_key = ", ".join(plan.name for plan in provider.plans if plan.header)
        hint = f"Set {prefix}_PLAN to the key's plan ({with_key}), or leave it out for the first of these."
        yield checks.Warning(
            f"{prefix}_API_KEY is set, but plan {plan.name} sends no key.", hint=hint, id="providers.W001"
        )
    elif name and plan.header and not key:
        fallback = f"plan {provider.plans[0].name} is used" if provider.keyless else "the provider is not used"
        hint = f"Until there is a key, here or in the admin, {fallback}."
        yield checks.Warning(
            f"{prefix}_PLAN is {plan.name}, but {prefix}_API_KEY is empty.", hint=hint, id="providers.W002"
        )


@register(Tags.database)
def rows(databases: Iterable[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Check the rows; run by migrate, and by `check --database default`."""
    if "default" not in (databases or ()) or not _migrated():
        return []
    return [*_orphans(), *_locked()]


def _migrated() -> bool:
    from django.db import connection  # noqa: PLC0415 - a connection is only wanted when this check runs

    return ApiKey._meta.db_table in connection.introspection.table_names()


def _orphans() -> Iterator[CheckMessage]:
    for row in ProviderSettings.objects.all():
        if row.provider is None:
            hint = "Delete the row in the admin, or restore the adapter."
            yield checks.Warning(f"There is no adapter {row.name!r} any more.", hint=hint, id="providers.W003")


def _locked() -> Iterator[CheckMessage]:
    for key in ApiKey.objects.filter(enabled=True).select_related("provider"):
        try:
            key.secret  # noqa: B018 - reading it is the test
        except Locked:
            hint = "Enter the key again, or put the old secret back at the end of SPOT_SECRET_KEYS."
            yield checks.Warning(f"{key} cannot be decrypted and is not used.", hint=hint, id="providers.W004")
