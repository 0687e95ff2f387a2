"""Clients, their plans, and every limit as a table. Settings override the defaults; 0 switches one off.

The gate decides once for each socket and request which client asks (`scope["spot.client"]`); all deeper code takes the
client or its plan as an argument.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver


class Limit(NamedTuple):
    """One limit: the setting that holds it, what it counts, and what a client gets that passes it."""

    setting: str
    counts: str
    breach: str


_OLD_STAYS = "close 4413 when connecting; later the old query stays"

LIMITS = (
    Limit(
        "SPOT_CONNECTIONS",
        "sockets and event streams of one web process",
        "`overloaded`, close 1013, or HTTP 503 to the handshake",
    ),
    Limit(
        "SPOT_CONNECTIONS_PER_ADDRESS",
        "those from one address",
        "`too_many_connections`, close 4430, or HTTP 429 to the handshake",
    ),
    Limit("SPOT_REQUESTS", "HTTP requests that one web process answers at a time", "`overloaded`, HTTP 503"),
    Limit("SPOT_REQUESTS_PER_ADDRESS", "those from one address", "`too_many_requests`, HTTP 429"),
    Limit(
        "SPOT_REQUESTS_PER_MINUTE",
        "HTTP requests for data from one address, by cost",
        "`too_many_requests`, HTTP 429",
    ),
    Limit(
        "SPOT_NEW_DATASETS_PER_HOUR",
        "data that nobody looked at before and one address asks for, by cost",
        f"`too_many_datasets`, HTTP 429, {_OLD_STAYS}",
    ),
    Limit("SPOT_QUERIES", "distinct live queries of one web process", f"`too_many_queries`, {_OLD_STAYS}"),
    Limit("SPOT_CURRENCIES", "currencies watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_CHARTS", "distinct charts watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_DOCUMENTS", "distinct documents asked for together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_ONCHAIN_TOPICS", "distinct on-chain topics watched together", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_EXTRA_COINS", "tape coins outside the markets snapshot", f"`too_many_datasets`, {_OLD_STAYS}"),
    Limit("SPOT_DEPTH", "coins by market cap that heatmap pages reach", "`bad_value` naming the limit"),
    Limit(
        "SPOT_SUBSCRIPTIONS", "subscriptions of one connection, where its protocol has several", "`too_many_queries`"
    ),
    Limit("SPOT_MESSAGES_PER_SECOND", "messages of one socket, by cost", "`too_many_messages`, then close 4429"),
    Limit("SPOT_SEND_SECONDS", "seconds a socket may take to accept a frame", "close 4508"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of one client; 0 switches one off."""

    #: Sockets at a time.
    connections: int
    #: Messages a second on each of them.
    messages_per_second: float
    #: HTTP requests at a time.
    requests: int
    #: HTTP requests for data, by cost.
    requests_per_minute: int
    #: Data that nobody looked at before, by cost.
    new_datasets_per_hour: int
    #: Subscriptions of one connection, where its protocol has several.
    subscriptions: int = 0
    #: Messages a second to each connection; the newest page waits for the next one.
    messages_out_per_second: float = 0
    #: Credits of a calendar month (UTC).
    credits_per_month: int = 0
    #: The feeds it may use; empty: all.
    channels: frozenset[str] = frozenset()
    #: For metrics. A plan that is only renamed is the same plan.
    name: str = field(default="anonymous", compare=False)


#: A connection of the site's own pages lasts so long, in seconds, before the sign-in is checked again.
PAGE_SECONDS = 900
#: The cost in millicredits of a connection, of a message to one, and of an HTTP request of the lowest cost.
PRICES = {"connection": 1000, "message": 100, "request": 1000}


@dataclass(frozen=True, slots=True)
class Client:
    """One client. Without a key, everybody of one network is one client."""

    id: str
    address: str
    plan: Plan
    #: The public id of its key, the hash by which the key is known, and the origins whose pages may show it.
    key: str | None = None
    digest: bytes | None = field(default=None, repr=False)
    origins: frozenset[str] = frozenset()
    #: Until when a page of this site, opened by staff, is served where nobody is without a key, epoch ms.
    until: int | None = None


@lru_cache(maxsize=1)
def default_plan() -> Plan:
    """The plan that the settings make; an empty field of another plan is as here."""
    return Plan(
        connections=settings.SPOT_CONNECTIONS_PER_ADDRESS,
        messages_per_second=settings.SPOT_MESSAGES_PER_SECOND,
        requests=settings.SPOT_REQUESTS_PER_ADDRESS,
        requests_per_minute=settings.SPOT_REQUESTS_PER_MINUTE,
        new_datasets_per_hour=settings.SPOT_NEW_DATASETS_PER_HOUR,
        subscriptions=settings.SPOT_SUBSCRIPTIONS,
    )


#: The plan of everybody without a key, where it is another than the settings make.
_everybody: list[Plan] = []


def open_to_everybody(plan: Plan | None) -> None:
    """Give everybody without a key that plan; None: the one that the settings make."""
    if [plan] != _everybody:
        _everybody[:] = [] if plan is None else [plan]
        anonymous.cache_clear()


@lru_cache(maxsize=4096)
def anonymous(address: str) -> Client:
    """The client at an address: its network, with everybody's plan."""
    return Client(network(address), address, _everybody[0] if _everybody else default_plan())


def on_own_page(address: str, now_ms: int) -> Client:
    """The client of a page of this site that staff has opened: its network, with everybody's limits, for a while also
    where nobody is served without a key."""
    return replace(anonymous(address), until=now_ms + PAGE_SECONDS * 1000)


@receiver(setting_changed)
def _forget(**_: object) -> None:
    """Settings change in tests only."""
    default_plan.cache_clear()
    anonymous.cache_clear()


def network(address: str) -> str:
    """The name under which an anonymous client is counted: an IPv4 address, also where IPv6 wraps it, or the /64 of an
    IPv6 address, which one subscriber has whole. A text that is no address stands for itself."""
    text = address.strip()
    if text.startswith("["):  # with a port, as some proxies write it
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
