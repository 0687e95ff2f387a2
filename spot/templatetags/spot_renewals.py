"""The table of datasets on the admin's first page."""

from __future__ import annotations

from django import template

from spot.web import renewals

register = template.Library()


@register.inclusion_tag("admin/renewals.html")
def datasets_overview() -> dict[str, renewals.Renewals]:
    """How each dataset is renewed."""
    return {"renewals": renewals.read()}
