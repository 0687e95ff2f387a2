"""The table of checks, and the examination of a site by all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from django.db import DatabaseError
from redis.exceptions import RedisError

from providers.redis_trouble import why
from spot.doctor import configuration, machine, records, store, topology, work
from spot.doctor.findings import Finding
from spot.doctor.site import Site
from spot_project.logs import scrub

Need = Literal["redis", "database", "tables"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name in the report, what is true where it finds nothing, and what it cannot do without."""

    name: str
    well: str
    find: Callable[[Site], Iterator[Finding]]
    needs: frozenset[Need] = frozenset()


def _check(name: str, well: str, find: Callable[[Site], Iterator[Finding]], *needs: Need) -> Check:
    return Check(name, well, find, frozenset(needs))


CHECKS = (
    _check("settings", "The settings can work, and each is known.", configuration.system),
    _check("hosts", "Visitors are served under the site's names.", configuration.hosts),
    _check("proxies", "The proxy before the site, if any, is trusted.", configuration.proxies),
    _check("origins", "Pages of other sites come from origins that exist.", configuration.origins),
    _check("limits", "The limits agree.", configuration.limits),
    _check("port", "The port is free, or this is Spot on it.", machine.port),
    _check("files", "A process may open enough files.", machine.files),
    _check("static", "Static files are collected and up to date.", machine.static),
    _check("redis", "Redis answers.", store.reachable),
    _check("redis-version", "Redis is new enough.", store.version, "redis"),
    _check("redis-writes", "Redis takes writes.", store.writes, "redis"),
    _check("redis-eviction", "Redis evicts nothing by itself.", store.eviction, "redis"),
    _check("redis-memory", "Redis has memory left.", store.memory, "redis"),
    _check("redis-failover", "Redis would survive the loss of a server, where there are several.", topology.failover),
    _check("realms", "One site writes into the store.", store.realms, "redis"),
    _check("database", "The database can be opened.", records.database),
    _check("migrations", "The database has every migration.", records.migrations, "database"),
    _check("secrets", "Every stored secret can be decrypted.", records.secrets, "tables"),
    _check("plans", "The plans fit into the limits of a web process.", configuration.plans, "tables"),
    _check("client-keys", "Somebody can be served.", records.closed, "tables"),
    _check("webhooks", "Webhooks can be sent.", records.webhooks, "tables"),
    _check("worker", "A worker runs tasks that beat sends.", work.workers, "redis"),
    _check("beats", "As many beats run as are meant to.", work.beats, "redis"),
    _check("hung", "No worker and no beat hangs.", work.hung, "redis"),
    _check("stream", "Streams are looked after, if there are any.", work.streams, "redis", "tables"),
    _check("clock", "The clock agrees with that of Redis.", work.clock_of_redis, "redis"),
    _check("providers", "Providers can be reached, and agree on the time.", work.providers_and_time, "tables"),
)


def examine(site: Site) -> list[Finding]:
    """What every check finds, in the order of the table; one that finds nothing is well."""
    missing: set[Need] = set()
    findings: list[Finding] = []
    for check in CHECKS:
        if lacking := check.needs & missing:
            which = "Redis" if "redis" in lacking else "the database"
            findings.append(Finding(check.name, "skipped", f"Not examined without {which}."))
            continue
        found = _found(check, site)
        findings += found or [Finding(check.name, "ok", check.well)]
        if check.name == "redis" and site.redis_trouble:
            missing.add("redis")
        if check.name == "database" and site.database_trouble:
            missing |= {"database", "tables"}
        if check.name == "migrations" and found:
            missing.add("tables")
    return findings


def _found(check: Check, site: Site) -> list[Finding]:
    try:
        return list(check.find(site))
    except (RedisError, OSError) as error:
        sentence, mend = (
            f"Not examined: {why(error)}",
            "See that Spot's user of Redis may use INFO, TIME and CLIENT LIST.",
        )
    except DatabaseError as error:
        sentence, mend = f"Not examined: {scrub(str(error))}", "See that the database answers."
    return [Finding(check.name, "warning", sentence, mend)]
