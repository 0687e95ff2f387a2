"""Checks of the processes: who is missing, and of the clocks and the realm that they share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

import providers
from providers import access, chains, client
from providers.access import Access
from providers.errors import ProviderError
from spot import signs
from spot.doctor.findings import Finding, Level
from spot.doctor.site import Site

#: Clocks of two machines may differ by so much (s): ages are shown in seconds.
WARNS_SECONDS, FAILS_SECONDS = 2.0, 30.0
#: The Date of an answer has whole seconds, and the answer takes time.
_DATE_SECONDS = 3.0
_ASK_SECONDS = 4.0
#: Beat sends a task each second; the newest in the queue is older than this (ms) when there is no beat.
_BEAT_SILENT_MS = 10_000


def workers(site: Site) -> Iterator[Finding]:
    """Whether worker and beat live: a tick needs both, so that its absence does not say which is missing."""
    if not site.runs:
        yield Finding("worker", "skipped", "The site does not run.")
        return
    silent = site.silent_ms["worker"]
    if silent is not None and silent < signs.SILENT_MS:
        return
    beats, waits = _beat_sends(site), _worker_waits(site)
    since = "yet" if silent is None else f"for {silent // 1000} s"
    if not waits:
        sentence = f"No worker has run a task {since}: nothing is fetched, and values become stale."
        yield Finding(
            "worker", "problem", sentence, "Start one: manage.py up worker, or the service worker of Compose."
        )
    if not beats:
        sentence = "No beat sends tasks, without which a worker does nothing."
        yield Finding("beat", "problem", sentence, "Start one: manage.py up beat, or the service beat of Compose.")
    if beats and waits:
        sentence = f"Beat and a worker are connected, but no task has been run {since}."
        yield Finding("worker", "problem", sentence, "Read the worker's log, and restart it.")


def beats(site: Site) -> Iterator[Finding]:
    """Whether as many beats run as are meant to. More change nothing, but hide that one of them is not looked after."""
    names, meant = signs.running(site.redis, "beat"), settings.SPOT_BEATS
    they = f"{len(names)} beats send tasks" if len(names) != 1 else "1 beat sends tasks"
    if len(names) > meant:
        sentence = f"{they}: {', '.join(names)}. Nothing is fetched twice, but SPOT_BEATS is {meant}."
        yield Finding("beats", "warning", sentence, f"End all but {meant}, or set SPOT_BEATS={len(names)}.")
    elif names and len(names) < meant:
        sentence = f"{they}: {', '.join(names)}. SPOT_BEATS is {meant}: nothing stands in for the next that dies."
        yield Finding("beats", "warning", sentence, "Start the missing one: manage.py up beat.")


def hung(site: Site) -> Iterator[Finding]:
    """Whether a worker or a beat hangs while others go on, which does its work."""
    for part in signs.PARTS:
        for name, silence in signs.silent(site.redis, part).items():
            sentence = f"A {part} gives no sign of life: {name}, for {silence // 1000} s. It hangs, or was killed."
            remedy = (
                f"See whether the process runs, and end it (kill -9) if it does: its supervisor starts another {part}. "
                f"One that was killed on another machine is forgotten ten minutes after its last sign."
            )
            yield Finding("hung", "warning", sentence, remedy)


def streams(site: Site) -> Iterator[Finding]:
    """Whether a stream process lives, if a provider's stream can be used."""
    silent = site.silent_ms["stream"]
    alive = silent is not None and silent < signs.SILENT_MS
    if alive or not site.runs or settings.SPOT_DEMO == "on":
        return
    streaming = [provider for provider in providers.all() if provider.stream is not None]
    if names := [one.label for one in streaming if any(entry.stream_url for entry in access.all_of(one))]:
        sentence = f"No stream process runs: nothing comes from the streams of {', '.join(names)}."
        yield Finding(
            "stream", "warning", sentence, "Start one: manage.py up stream, or the service stream of Compose."
        )


def clock_of_redis(site: Site) -> Iterator[Finding]:
    """Whether this machine's clock agrees with that of Redis' machine."""
    before = signs.now_ms()
    moment: Any = site.redis.time()
    after = signs.now_ms()
    offset = ((before + after) / 2 - (moment[0] * 1000 + moment[1] / 1000)) / 1000
    yield from _offset("clock", offset, (after - before) / 2000, "the machine of Redis")


def providers_and_time(site: Site) -> Iterator[Finding]:
    """Whether this machine's clock agrees with the providers', and whether they can be reached."""
    if not site.online or settings.SPOT_DEMO == "on":
        yield Finding("providers", "skipped", "No provider is asked.")
        return
    unreachable, entries = [], _accesses()
    for entry in entries:
        asked = signs.now_ms() / 1000
        try:
            moment = client.clock_of(entry.base_url, seconds=_ASK_SECONDS)
        except ProviderError as error:
            unreachable.append(f"{entry.provider.label}: {error.message}")
            continue
        if moment is not None:
            now = signs.now_ms() / 1000
            yield from _offset("clock", (asked + now) / 2 - moment, _DATE_SECONDS + now - asked, entry.provider.label)
    if unreachable:
        level: Level = "warning" if len(unreachable) < len(entries) or settings.SPOT_DEMO == "auto" else "problem"
        mend = "See that this machine may connect to the outside (firewall, DNS, HTTPS_PROXY), and the base URL."
        yield Finding("providers", level, f"Out of reach: {'; '.join(unreachable)}.", mend)
    if not entries:
        sentence = "No provider can be used for the market: each is switched off or lacks a key."
        yield Finding("providers", "problem", sentence, "Enter a key or switch one on, in the admin under Providers.")


def _offset(check: str, offset: float, slack: float, whose: str) -> Iterator[Finding]:
    if abs(offset) - slack > WARNS_SECONDS:
        way = "ahead of" if offset > 0 else "behind"
        level: Level = "problem" if abs(offset) - slack > FAILS_SECONDS else "warning"
        sentence = (
            f"This machine's clock is {abs(offset):.0f} s {way} that of {whose}: ages of data are wrong by as much."
        )
        yield Finding(check, level, sentence, "Switch time synchronisation on (chrony, systemd-timesyncd) on both.")


def _accesses() -> list[Access]:
    """An access of each provider in use that can serve the market."""
    entries = [access.for_kind(provider, "markets")[:1] for provider, _ in chains.of("markets")]
    return [entry for found in entries for entry in found]


def _queue() -> str:
    return str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]) + "celery"


def _beat_sends(site: Site) -> bool:
    """Whether a task has been sent lately: the newest in the queue, where none takes them out, or beat's connection."""
    newest: Any = site.redis.lindex(_queue(), 0)
    if newest is not None:
        expires = orjson.loads(newest).get("headers", {}).get("expires")
        if expires and signs.now_ms() - datetime.fromisoformat(expires).timestamp() * 1000 < _BEAT_SILENT_MS:
            return True
    return any(one["cmd"] == "lpush" and int(one["idle"]) < _BEAT_SILENT_MS / 1000 for one in _connections(site))


def _worker_waits(site: Site) -> bool:
    """Whether a worker waits for tasks on its connection."""
    return any(one["cmd"] == "brpop" for one in _connections(site))


def _connections(site: Site) -> list[dict[str, str]]:
    """The connections to this site's database of Redis."""
    listed: Any = site.redis.client_list()
    return [one for one in listed if int(one["db"]) == settings.REDIS.address.db]
