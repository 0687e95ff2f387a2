"""The table of clients on the admin's first page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from django import template
from django.utils import timezone
from redis.exceptions import RedisError

from spot import snapshots
from spot.clients.models import ClientKey
from spot.clients.protocols import DAYS, Used, label, used
from spot.hub.traffic import MOST
from spot_project.logs import scrub

register = template.Library()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Whom all web processes serve. `keys`: those used in the last hour. `queries`: texts with their followers."""

    clients: int
    connections: int
    keys: int
    queries: list[tuple[str, int]]
    #: By vendor's name, the use of its protocol in the last days.
    protocols: list[tuple[str, Used]]


@register.inclusion_tag("admin/traffic.html")
def clients_overview() -> dict[str, Traffic | None]:
    """The clients of all web processes; nothing while the store does not answer, which the table of providers says."""
    try:
        reports = snapshots.traffic()
        uses = used(snapshots.connection(), DAYS)
    except RedisError:
        return {"traffic": None}
    queries: Counter[str] = Counter()
    for report in reports:
        queries.update({scrub(text): count for text, count in report.get("queries", ())})  # a search may be a key
    keys = ClientKey.objects.filter(last_used_at__gte=timezone.now() - timedelta(hours=1)).count()
    clients, connections = (sum(report.get(name, 0) for report in reports) for name in ("clients", "connections"))
    protocols = sorted((label(name), use) for name, use in uses.items())
    return {"traffic": Traffic(clients, connections, keys, queries.most_common(MOST), protocols)}
