"""Checks of Redis on several machines: whether it would survive the loss of one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from providers.redis_trouble import why
from spot.doctor.findings import Finding
from spot.doctor.site import Site
from spot_project.redis_address import shown
from spot_project.redis_primary import Node, PrimaryFinder

_CHECK = "redis-failover"
_SLOTS = 16_384


def failover(site: Site) -> Iterator[Finding]:
    """Whether the Sentinels, or the nodes of the cluster, can replace a primary that dies."""
    finder: PrimaryFinder | None = settings.REDIS.finder
    if finder is None:
        return
    answers, silent = _ask_all(finder)
    if silent:
        sentence = f"{len(silent)} of {len(finder.nodes)} servers in REDIS_URL cannot be asked where the primary is."
        reasons = " ".join(f"{shown(*node)}: {reason}" for node, reason in silent.items())
        yield Finding(_CHECK, "warning", f"{sentence} {reasons}", "Start them, or name others in REDIS_URL.")
    yield from (_cluster(finder, answers) if finder.in_cluster else _sentinels(finder, answers))
    if not site.redis_trouble and not _replicas(site):
        sentence = "The primary has no replica: when it dies, nobody can take its place."
        yield Finding(_CHECK, "warning", sentence, "Start a replica of it, or wait until one has connected.")


def _replicas(site: Site) -> int:
    state: Any = site.redis.info("replication")
    return int(state["connected_slaves"])


def _ask_all(finder: PrimaryFinder) -> tuple[dict[Node, Any], dict[Node, str]]:
    """The answers to the question for the primary, and why there are none, by node of the URL."""
    answers: dict[Node, Any] = {}
    silent: dict[Node, str] = {}
    for node in finder.nodes:
        try:
            answers[node] = finder.ask(node, *finder.question)
        except RedisError as error:
            silent[node] = why(error)
    return answers, silent


def _sentinels(finder: PrimaryFinder, answers: dict[Node, Any]) -> Iterator[Finding]:
    service = finder.address.service
    named = {shown(*primary) for node, answer in answers.items() if (primary := finder.primary_in(answer, node))}
    if strangers := [shown(*node) for node, answer in answers.items() if not answer]:
        sentence = f"These Sentinels do not watch {service}: {', '.join(strangers)}."
        yield Finding(_CHECK, "warning", sentence, "Configure sentinel monitor there, or name others in REDIS_URL.")
    if len(named) > 1:
        sentence = f"The Sentinels name different primaries: {', '.join(sorted(named))}."
        yield Finding(_CHECK, "problem", sentence, "See that they reach each other; during a failover, wait.")
    watching = [node for node, answer in answers.items() if answer]
    if not watching:
        return
    try:
        finder.ask(watching[0], "SENTINEL", "CKQUORUM", service)
    except RedisError as error:
        mend = "Start more Sentinels, or lower the quorum of sentinel monitor; a majority must be up in any case."
        sentence = f"The Sentinels could not replace a primary that dies: {str(error).rstrip('.')}."
        yield Finding(_CHECK, "problem", sentence, mend)


def _cluster(finder: PrimaryFinder, answers: dict[Node, Any]) -> Iterator[Finding]:
    if not answers:
        return
    node, ranges = next(iter(answers.items()))
    covered = sorted((int(first), int(last)) for first, last, *_ in ranges)
    gaps = [(last + 1, first - 1) for (_, last), (first, _) in pairwise([(-1, -1), *covered, (_SLOTS, _SLOTS)])]
    if missing := [f"{first} to {last}" for first, last in gaps if first <= last]:
        sentence = f"No node of the cluster serves the slots {', '.join(missing)}."
        yield Finding(_CHECK, "problem", sentence, "Give them to a master: redis-cli --cluster fix.")
    state = {line.split(":")[0]: line.split(":")[1] for line in _text(finder.ask(node, "CLUSTER", "INFO")).split()}
    if state.get("cluster_state") != "ok" and not missing:
        sentence = f"The cluster says that its state is {state.get('cluster_state')}."
        yield Finding(_CHECK, "problem", sentence, "See which of its masters are down: redis-cli cluster nodes.")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
