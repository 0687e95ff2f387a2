"""System checks: what in the settings cannot work as it was meant. Every command runs them before it does anything."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  Django's name

from providers import tracing
from providers.datasets import is_coin_id, is_currency
from spot.server import listening


@register("spot")
def environment(**_kwargs: Any) -> list[CheckMessage]:
    """Settings that cannot work, and settings that nothing reads."""
    return [*_exposed(), *_pins(), *_mail(), *_traces(), *_unread()]


def _exposed() -> Iterator[CheckMessage]:
    if settings.DEBUG and not listening.is_loopback(settings.SPOT_BIND):
        hint = "Use SPOT_DEBUG on 127.0.0.1 only."
        yield Error(
            f"SPOT_DEBUG shows settings to visitors: refused on {settings.SPOT_BIND}.", hint=hint, id="spot.E001"
        )
    if settings.DEBUG and settings.SPOT_TRUSTED_PROXIES:
        hint = "Leave SPOT_TRUSTED_PROXIES out while you debug, and visit the site on this machine."
        yield Error("SPOT_DEBUG shows settings to visitors: refused behind a proxy.", hint=hint, id="spot.E006")
    if "*" in settings.SPOT_ALLOWED_ORIGINS and not settings.DEBUG:
        hint = "List them as scheme://host[:port]; the site's own needs no mention."
        yield Error("SPOT_ALLOWED_ORIGINS=* lets any page use a visitor's session.", hint=hint, id="spot.E002")
    if settings.SPOT_HTTPS and not settings.SPOT_TRUSTED_PROXIES:
        hint = "Name the address of the proxy that ends TLS: without it every visit would be redirected for ever."
        yield Error("SPOT_HTTPS is on, but SPOT_TRUSTED_PROXIES is empty.", hint=hint, id="spot.E003")


def _pins() -> Iterator[CheckMessage]:
    for currency in settings.SPOT_PINNED_CURRENCIES:
        if not is_currency(currency):
            hint = "Use codes of 2 to 10 letters and digits in lower case, such as usd,eur."
            yield Error(f"SPOT_PINNED_CURRENCIES: {currency!r} is no currency code.", hint=hint, id="spot.E004")
    for coin in settings.SPOT_PINNED_COINS:
        if not is_coin_id(coin):
            hint = "Use ids such as bitcoin,ethereum: letters, digits, dots, dashes and underscores."
            yield Error(f"SPOT_PINNED_COINS: {coin!r} is no coin id.", hint=hint, id="spot.E005")


def _mail() -> Iterator[CheckMessage]:
    if settings.SPOT_OPERATORS and not settings.EMAIL_HOST:
        hint = "Name the mail server: SPOT_SMTP_URL=smtp://user:password@mail.example.org:587."
        yield Warning("SPOT_OPERATORS is set, but SPOT_SMTP_URL is not: no e-mail is sent.", hint=hint, id="spot.W002")


def _traces() -> Iterator[CheckMessage]:
    wanted = settings.OTEL_EXPORTER_OTLP_ENDPOINT or settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
    if wanted and not settings.OTEL_SDK_DISABLED and not tracing.is_installed():
        hint = "Install what requirements/tracing.txt lists, or set OTEL_SDK_DISABLED=true."
        yield Warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but there are no packages for traces.", hint=hint, id="spot.W003"
        )


def _unread() -> Iterator[CheckMessage]:
    for name in settings.SPOT_UNREAD:
        near = difflib.get_close_matches(name, settings.SPOT_READ, n=1)
        hint = f"Did you mean {near[0]}?" if near else None
        yield Warning(f"{name} is set, but there is no such setting.", hint=hint, id="spot.W001")
