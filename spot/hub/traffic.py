"""What this process serves at the moment, for the operator: connections, clients, and the queries asked for most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from spot.clients.limits import admission
from spot.hub.groups import Group

#: The queries that are told, and the length of the text of each.
MOST, _LENGTH = 10, 200


def traffic(groups: Iterable[Group]) -> dict[str, Any]:
    """As values for JSON: how many `connections` and `clients`, and the `queries` followed most, each with how many
    follow it."""
    followers: Counter[Group] = Counter({group: len(group.members) for group in groups})
    queries: Counter[str] = Counter()
    for group, count in followers.most_common(4 * MOST):  # equal queries may be asked in several dialects
        queries[_text(group)] += count
    return {"connections": len(admission), "clients": admission.clients, "queries": queries.most_common(MOST)}


def _text(group: Group) -> str:
    asked = urlencode({name: value for name, value in group.view.raw.items() if value is not None})
    channel = group.view.feed.channel
    return (f"{channel}?{asked}" if asked else channel)[:_LENGTH]
