"""Template tags for states and figures on the operator's pages."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from providers.admin.account import Health
from providers.admin.status import ProviderStatus, status_of
from providers.admin.words import grouped, marked, number, ordinal
from providers.budget import connection
from providers.models import ProviderSettings
from providers.streams.stream_state import store_trouble

register = template.Library()
register.filter(grouped)


@register.simple_tag
def mark(health: Health) -> SafeString:
    """A state with its mark and detail."""
    return marked(health.mark, health.word, health.detail)


@register.inclusion_tag("admin/providers/overview.html")
def providers_overview() -> dict[str, str | list[ProviderStatus]]:
    """The status of all providers and of the store, for the first page."""
    return {
        "store": store_trouble(connection()),
        "statuses": [status_of(row) for row in ProviderSettings.objects.all()],
    }


@register.filter
def nth(place: int) -> str:
    return ordinal(place)


@register.filter
def count(figure: int, noun: str) -> str:
    return number(figure, noun)
