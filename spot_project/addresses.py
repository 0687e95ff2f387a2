"""URLs of services, parsed strictly. Pure. No message contains a part of a URL, since that may be a secret."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

#: Follows the name of a variable.
UNREADABLE = (
    "is not a readable address. Inside a user name, a password or a path the characters #, /, ?, @ and % are written "
    "percent-encoded: %23, %2F, %3F, %40, %25."
)
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:(?P<username>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<hosts>[^@/?#\s\\]*)(?P<path>/[^@?#]*)?(?:\?(?P<query>[^@#\s]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Address(NamedTuple):
    """The decoded parts of a URL. `hosts` has several entries only where commas separate them."""

    scheme: str
    username: str | None
    password: str | None
    hosts: tuple[tuple[str, int | None], ...]
    path: str
    query: dict[str, str]

    @property
    def host(self) -> str:
        """The first host, or ""."""
        return self.hosts[0][0]

    @property
    def port(self) -> int | None:
        """The first host's port."""
        return self.hosts[0][1]


def split(text: str) -> Address:
    """The parts of a URL. Raises `ValueError` with `UNREADABLE` for an ambiguous one: a guess might take half of a
    password for a port or a path."""
    match = _ADDRESS.fullmatch(text)
    if match is None or _BAD_ESCAPE.search(text):
        raise ValueError(UNREADABLE)
    try:
        username, password = _decoded(match["username"]), _decoded(match["password"])
        hosts = tuple(_host(entry) for entry in match["hosts"].split(","))
        return Address(
            match["scheme"].lower(), username, password, hosts, _decoded(match["path"]) or "", _query(match["query"])
        )
    except UnicodeDecodeError:
        raise ValueError(UNREADABLE) from None


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text, errors="strict")


def _host(entry: str) -> tuple[str, int | None]:
    match = _HOST.fullmatch(entry)
    if match is None:
        raise ValueError(UNREADABLE)
    if match["port"] and not (match["host"] and 0 < int(match["port"]) < 65_536):  # a port alone may be a password
        raise ValueError(UNREADABLE)
    return unquote(match["host"], errors="strict").strip("[]"), int(match["port"]) if match["port"] else None


def _query(text: str | None) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in (text or "").split("&") if pair]
    query = {unquote(name, errors="strict"): unquote(value, errors="strict") for name, _, value in pairs}
    if len(query) != len(pairs) or not all(equals for _, equals, _ in pairs):
        raise ValueError(UNREADABLE)
    return query


def masked(text: str) -> str:
    """The URL without secrets: scheme, user, host and path, no password and no parameters. An invalid URL is hidden
    entirely."""
    try:
        address = split(text)
    except ValueError:
        return "an address that is not readable"
    user = "" if address.password is None and address.username is None else f"{address.username or ''}:***@"
    hosts = ",".join(_shown(host) + (f":{port}" if port else "") for host, port in address.hosts)
    return f"{address.scheme}://{user}{hosts}{address.path}"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
