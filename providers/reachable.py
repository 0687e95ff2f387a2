"""Which addresses a URL that an operator entered may lead to: public ones, unless a setting allows more.

The caller connects to the addresses that were checked, so that a name which resolves differently a moment later leads
nowhere else.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from providers.errors import Unreachable

_LONGEST = 1000
#: Addresses under which clouds serve secrets to their machines; some of them are public.
_METADATA = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "169.254.169.254", "fd00:ec2::254")))
#: Networks of special use that versions of Python judge differently.
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "64:ff9b:1::/48", "3fff::/20")))
#: IPv6 addresses that lead to the IPv4 address in their last bits.
_TRANSLATED = ip_network("64:ff9b::/96")


def url_problem(url: str) -> str:
    """The problem with a webhook's URL, as a sentence; "" if there is none."""
    if len(url) > _LONGEST:
        return f"A URL has at most {_LONGEST} characters, this has {len(url)}."
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "A URL has no spaces and only ASCII characters; others are percent-encoded."
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "This is not a URL. Its form is https://host/path."
    if parts.scheme not in ("https", "http") or not parts.hostname:
        return "This is not a URL. Its form is https://host/path."
    if parts.username is not None or parts.password is not None:
        return "Leave the user name and password out; the signature shows who sends."
    return "Leave out the part after #, which is never sent." if parts.fragment else ""


def resolved(url: str, networks: Sequence[str] = ()) -> list[str]:
    """The addresses of the URL's host, each checked. Raises `Unreachable` when there is none, and when any of them is
    neither public nor in one of the `networks`."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"{host}: the name cannot be resolved") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    for address in addresses:
        if problem := address_problem(address, networks):
            where = host if host == address else f"{host} resolves to {address}, which"
            raise Unreachable(f"not sent: {where} is {problem}; SPOT_WEBHOOK_NETWORKS can allow it", permanent=True)
    return addresses


def address_problem(text: str, networks: Sequence[str] = ()) -> str:
    """The kind of an address that may not be connected to, such as "a private address"; "" for one that may."""
    address = ip_address(text)
    if any(address in network for network in map(ip_network, networks) if network.version == address.version):
        return ""
    if (inner := _inner(address)) is not None:
        return address_problem(str(inner), networks)
    if address in _METADATA:
        return "an address of a cloud's metadata"
    for kind, applies in (
        ("the loopback", address.is_loopback),
        ("a link-local address", address.is_link_local),
        ("a multicast address", address.is_multicast),
        ("an unspecified address", address.is_unspecified),
    ):
        if applies:
            return kind
    special = any(address in network for network in _SPECIAL if network.version == address.version)
    return "a private address" if special or address.is_reserved or not address.is_global else ""


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
