"""Clients and their plans. The gate decides once for each socket and request which client asks
(`scope["spot.client"]`); all deeper code takes the client or its plan as an argument."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver


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


@dataclass(frozen=True, slots=True)
class Client:
    """One client. Without a key, everybody of one network is one client."""

    id: str
    address: str
    plan: Plan


@lru_cache(maxsize=1)
def everybody() -> Plan:
    """The plan that the settings give everybody."""
    return Plan(
        connections=settings.SPOT_CONNECTIONS_PER_ADDRESS,
        messages_per_second=settings.SPOT_MESSAGES_PER_SECOND,
        requests=settings.SPOT_REQUESTS_PER_ADDRESS,
        requests_per_minute=settings.SPOT_REQUESTS_PER_MINUTE,
        new_datasets_per_hour=settings.SPOT_NEW_DATASETS_PER_HOUR,
    )


@lru_cache(maxsize=4096)
def anonymous(address: str) -> Client:
    """The client at an address: its network, with everybody's plan."""
    return Client(network(address), address, everybody())


@receiver(setting_changed)
def _forget(**_: object) -> None:
    """Settings change in tests only."""
    everybody.cache_clear()
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
