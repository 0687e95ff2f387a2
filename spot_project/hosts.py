"""Host names, origins and networks in a canonical spelling for comparison. Pure."""

from __future__ import annotations

import ipaddress
import re

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def name(text: str) -> str:
    """A host without its port: lower case, punycode, no trailing dot; an IPv6 address in brackets and compressed.
    Raises `ValueError` for an invalid host."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        return f"[{ipaddress.IPv6Address(bare.lower()).compressed}]"
    if bare != text:
        raise ValueError(f"{text!r} is no host")
    bare = bare.removesuffix(".").lower()
    labels = (bare if bare.isascii() else bare.encode("idna").decode().lower()).split(".")
    if labels[-1].isdigit():
        return str(ipaddress.IPv4Address(bare))
    if not all(_LABEL.fullmatch(label) for label in labels) or len(bare) > 253:
        raise ValueError(f"{text!r} is no host")
    return ".".join(labels)


def split(text: str) -> tuple[str, int | None]:
    """A `Host` header, or the authority of an origin, as `name` and port. Raises `ValueError` if it is neither."""
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]/@\s]+)(?::([0-9]{1,5}))?", text)
    if match is None or (match[2] and int(match[2]) > 65_535):
        raise ValueError(f"{text!r} is no host with a port")
    return name(match[1]), int(match[2]) if match[2] else None


def authority(text: str, scheme: str) -> str:
    """A `Host` header without the scheme's default port. Raises `ValueError` as in `split`."""
    host, port = split(text)
    return host if port in (None, DEFAULT_PORTS.get(scheme)) else f"{host}:{port}"


def origin(text: str) -> str:
    """An origin: scheme, host, and the port unless it is the scheme's default. Raises `ValueError` for anything
    else."""
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not rest or not _SCHEME.match(text):
        raise ValueError(f"{text!r} is no origin")
    if scheme not in DEFAULT_PORTS:  # of an extension or an app, without a host name
        if not re.fullmatch(r"[A-Za-z0-9._-]+", rest):
            raise ValueError(f"{text!r} is no origin")
        return f"{scheme}://{rest.lower()}"
    return f"{scheme}://{authority(rest, scheme)}"


# --- entries of settings ----------------------------------------------------------------------------------------------


def host(text: str) -> str:
    """An entry of a list of hosts: without scheme, port and trailing slash; `*.name` is `.name`."""
    if ":" in text and "/" not in text and text.count(":") > 1 and not text.startswith("["):
        return name(text)  # a bare IPv6 address
    bare = _SCHEME.sub("", text, count=1).removesuffix("/")
    wild = bare.startswith((".", "*."))
    canonical, _port = split(bare.removeprefix("*").removeprefix("."))
    if wild and (canonical.startswith("[") or canonical.replace(".", "").isdigit()):
        raise ValueError(f"{text!r} is no host")
    return f".{canonical}" if wild else canonical


def listed_origin(text: str) -> str:
    """An entry of a list of origins, without a trailing slash; `*` stays."""
    return text if text == "*" else origin(text.removesuffix("/"))


def networks(text: str) -> list[str]:
    """An entry of a list of networks, for IPv4 also in its IPv6-mapped form. All addresses together are not allowed."""
    if text == "localhost":
        return [*networks("127.0.0.1"), "::1"]
    address = re.fullmatch(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+", text)
    network = ipaddress.ip_network((address[1] or address[2]) if address else text, strict=False)
    if network.prefixlen == 0:
        raise ValueError(f"{text!r} is everybody")
    shown = str(network.network_address) if network.num_addresses == 1 else str(network)
    if network.version == 6:
        return [shown]
    mapped = ipaddress.IPv6Network(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return [shown, str(mapped.network_address) if mapped.num_addresses == 1 else str(mapped)]


def bind(text: str) -> str:
    """An address or a name to listen on, without brackets."""
    return (f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text) and name(text).strip("[]")


def is_loopback(text: str) -> bool:
    """Whether a host is this machine: `localhost`, 127.0.0.0/8 or ::1. Other names are not, whatever they look like."""
    if text.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
