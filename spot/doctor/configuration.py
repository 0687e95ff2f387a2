"""Checks of the settings: what the system checks say, who is locked out, and which limits contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.core import checks

from spot.clients.models import ClientPlan
from spot.doctor.findings import Finding
from spot.doctor.site import Site
from spot.server import listening

#: Names under which the machine itself is always served.
_OWN = {"localhost", "127.0.0.1", "[::1]"}
_NAME_HOSTS = "Name the site's hosts: SPOT_ALLOWED_HOSTS=spot.example.org."
#: A limit, another that it cannot pass, and the consequence where it does.
_WITHIN = (
    ("SPOT_CONNECTIONS_PER_ADDRESS", "SPOT_CONNECTIONS", "one address can use every connection of a web process"),
    ("SPOT_REQUESTS_PER_ADDRESS", "SPOT_REQUESTS", "one address can use every request of a web process"),
    ("SPOT_SUBSCRIPTIONS", "SPOT_QUERIES", "one connection can use every query of a web process"),
    ("SPOT_FIRST_ANSWER_SECONDS", "SPOT_HEARTBEAT_SECONDS", "a request waits for longer than a socket is silent"),
)


def system(_site: Site) -> Iterator[Finding]:
    """The system checks of Django and of Spot, without those that read the database."""
    for message in checks.run_checks():
        if not message.is_silenced():
            level = "problem" if message.level >= checks.ERROR else "warning"
            yield Finding("settings", level, message.msg, message.hint or "")  # type: ignore[arg-type]


def hosts(_site: Site) -> Iterator[Finding]:
    """Whether visitors from outside are served at all."""
    names = [name for name in settings.ALLOWED_HOSTS if name not in _OWN]
    outside = not listening.is_loopback(settings.SPOT_BIND)
    if names or not (outside or settings.SPOT_TRUSTED_PROXIES):
        return
    if settings.SPOT_HTTPS:
        sentence = "SPOT_HTTPS is on and SPOT_ALLOWED_HOSTS is empty: every visitor from outside gets a 400."
        yield Finding("hosts", "problem", sentence, _NAME_HOSTS)
        return
    why = f"SPOT_BIND is {settings.SPOT_BIND}" if outside else "SPOT_TRUSTED_PROXIES is set"
    sentence = f"{why} and SPOT_ALLOWED_HOSTS is empty: only visitors at http://localhost are served, others get a 400."
    yield Finding("hosts", "warning", sentence, _NAME_HOSTS)


def proxies(_site: Site) -> Iterator[Finding]:
    """Whether the proxy before the site is believed."""
    names = [name for name in settings.ALLOWED_HOSTS if name not in _OWN]
    trusted, local = settings.SPOT_TRUSTED_PROXIES, listening.is_loopback(settings.SPOT_BIND)
    if local and trusted and not any(_is_local(network) for network in trusted):
        sentence = (
            f"SPOT_BIND is {settings.SPOT_BIND}, so that the proxy is on this machine, but SPOT_TRUSTED_PROXIES "
            "does not have it"
        )
        effect = "every visit is redirected for ever" if settings.SPOT_HTTPS else "all visitors count as one address"
        mend = "Add 127.0.0.1 to SPOT_TRUSTED_PROXIES."
        yield Finding("proxies", "problem" if settings.SPOT_HTTPS else "warning", f"{sentence}: {effect}.", mend)
    elif local and names and not trusted:
        sentence = (
            f"SPOT_ALLOWED_HOSTS names {names[0]} and SPOT_BIND is {settings.SPOT_BIND}, so that a proxy passes "
            "visitors on, but SPOT_TRUSTED_PROXIES is empty: all visitors count as one address and share "
            "its limits, and pages that a proxy serves over TLS cannot open sockets."
        )
        yield Finding("proxies", "warning", sentence, "Set SPOT_TRUSTED_PROXIES=127.0.0.1, and SPOT_HTTPS=on with TLS.")


def origins(_site: Site) -> Iterator[Finding]:
    """Whether origins are listed that no page of the site's own scheme can have."""
    own = {name for name in settings.ALLOWED_HOSTS if name not in _OWN}
    for origin in settings.SPOT_ALLOWED_ORIGINS:
        scheme, _, host = origin.partition("://")
        if host in own and scheme == "https" and not settings.SPOT_HTTPS and not settings.SPOT_TRUSTED_PROXIES:
            sentence = f"SPOT_ALLOWED_ORIGINS has this site's own origin {origin}, but SPOT_HTTPS is off."
            mend = "Behind a proxy with TLS set SPOT_HTTPS=on and SPOT_TRUSTED_PROXIES; the own origin needs no entry."
            yield Finding("origins", "warning", sentence, mend)
        if scheme == "http" and settings.SPOT_HTTPS and not listening.is_loopback(host.partition(":")[0]):
            sentence = f"SPOT_ALLOWED_ORIGINS has {origin} without TLS: who can change its pages reads along."
            yield Finding("origins", "warning", sentence, f"List https://{host} instead.")


def limits(_site: Site) -> Iterator[Finding]:
    """Whether limits contradict each other; 0 switches one off."""
    for name, within, effect in _WITHIN:
        value, most = getattr(settings, name), getattr(settings, within)
        if most and (value > most or (not value and name != "SPOT_FIRST_ANSWER_SECONDS")):
            shown = f"{name} is {value:g}" if value else f"{name} is off"
            mend = f"Lower {name}, or raise {within}."
            yield Finding("limits", "warning", f"{shown} and {within} is {most:g}: {effect}.", mend)
    pins = len(settings.SPOT_PINNED_COINS)
    if settings.SPOT_QUERIES and pins > settings.SPOT_QUERIES:
        sentence = f"SPOT_QUERIES is {settings.SPOT_QUERIES}, less than the {pins} coins of SPOT_PINNED_COINS."
        yield Finding("limits", "warning", sentence, "Raise SPOT_QUERIES.")


def plans(_site: Site) -> Iterator[Finding]:
    """Whether plans promise more than a web process takes."""
    for row in ClientPlan.objects.filter(enabled=True):
        most = settings.SPOT_CONNECTIONS
        if most and row.connections and row.connections > most:
            sentence = f"Plan {row} allows {row.connections} connections, SPOT_CONNECTIONS {most} in all."
            yield Finding("plans", "warning", sentence, "Raise SPOT_CONNECTIONS, or lower the plan's connections.")


def _is_local(network: str) -> bool:
    return any(
        ip_address(local) in ip_network(network)
        for local in ("127.0.0.1", "::1")
        if ip_network(network).version == ip_address(local).version
    )
