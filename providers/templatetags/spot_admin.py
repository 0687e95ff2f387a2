"""How the operator's pages write states and figures."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from providers.admin.account import Health
from providers.admin.standing import Standing, standing
from providers.admin.words import grouped, marked, number, ordinal
from providers.budget import connection
from providers.models import ProviderSettings
from providers.streams.stream_state import store_trouble

register = template.Library()
register.filter(grouped)


@register.simple_tag
def mark(health: Health) -> SafeString:
    """A state: its mark, its word, what there is to say besides."""
    return marked(health.mark, health.word, health.detail)


@register.inclusion_tag("admin/providers/overview.html")
def providers_overview() -> dict[str, str | list[Standing]]:
    """How all providers stand, and the store that they need, for the first page."""
    return {
        "store": store_trouble(connection()),
        "standings": [standing(row) for row in ProviderSettings.objects.all()],
    }


@register.filter
def nth(place: int) -> str:
    return ordinal(place)


@register.filter
def count(figure: int, noun: str) -> str:
    return number(figure, noun)
