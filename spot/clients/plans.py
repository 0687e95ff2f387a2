"""Who is asking, and the limits that hold for them. The gate decides it once for each socket and request
(`scope["spot.client"]`); what lies deeper takes the client or its plan as an argument."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings


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
    """Who is asking. Everybody of one network is one client, unless something says more."""

    id: str
    address: str
    plan: Plan


def anonymous(address: str) -> Client:
    """The client at an address: its network, with the plan that the settings give everybody."""
    plan = _plan(
        settings.SPOT_CONNECTIONS_PER_ADDRESS,
        settings.SPOT_MESSAGES_PER_SECOND,
        settings.SPOT_REQUESTS_PER_ADDRESS,
        settings.SPOT_REQUESTS_PER_MINUTE,
        settings.SPOT_NEW_DATASETS_PER_HOUR,
    )
    return _client(address, plan)


_plan = lru_cache(maxsize=16)(Plan)


@lru_cache(maxsize=4096)
def _client(address: str, plan: Plan) -> Client:
    return Client(network(address), address, plan)


def network(address: str) -> str:
    """What is counted as one client: an IPv4 address, also where IPv6 wraps it, or the /64 of an IPv6 address, which
    one subscriber has whole. A text that is no address stands for itself."""
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
