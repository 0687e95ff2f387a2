"""What workers ask of the store, as parts of a round trip (`providers.pipelines`): a tick and a fetch ask for most of
it at once.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeVar

import orjson
from django.conf import settings

from providers.clean import SLACK_MS
from providers.datasets import KINDS, Dataset
from providers.facts import Facts
from providers.pipelines import Commands, joined
from providers.stored import record_of
from spot import signs
from spot.snapshots import holders

Realm = Literal["live", "demo"]
Result = TypeVar("Result")

#: The most datasets of a kind, and coins of a currency, that are stored as wanted.
MOST_WANTED = 1000
#: A dataset without a viewer for this long is no longer fetched.
LINGER_MS = 120_000
#: Web processes store their viewers every few seconds; one that has not for this long (ms) has ended.
_VIEWERS_MS = 30_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last fetch of a dataset failed, and when it is tried again (epoch ms). `permanent`: a retry will not
    help; `code` is one of `spot.codes.ERRORS`. `message` is for the operator; frames, answers and pages show `public`
    only."""

    code: str
    message: str
    at: int
    next_try: int | None
    permanent: bool = False
    public: str = ""


# --- realms -----------------------------------------------------------------------------------------------------------


def realm_of(mode: str, seen_live: bool) -> Realm:
    """The realm to show: SPOT_DEMO `on` and `off` decide; `auto` is the demo until real data have been seen."""
    if mode == "auto":
        return "live" if seen_live else "demo"
    return "demo" if mode == "on" else "live"


def realm() -> Commands[Realm]:
    """The realm in force."""
    mode = settings.SPOT_DEMO
    if mode != "auto":
        return Commands([], lambda _answers: realm_of(mode, seen_live=False))
    return Commands([("EXISTS", "spot:seen-live")], lambda answers: realm_of(mode, bool(answers[0])))


def in_force(made: Callable[[Realm], Commands[Result]]) -> Commands[tuple[Realm, Result]]:
    """The realm in force, and that part's result there, which `made` makes for a realm."""
    if settings.SPOT_DEMO != "auto":
        where = realm_of(settings.SPOT_DEMO, seen_live=False)
        return joined([made(where)], lambda results: (where, results[0]))
    both = {"live": 1, "demo": 2}
    parts: list[Commands[Any]] = [realm(), made("live"), made("demo")]
    return joined(parts, lambda results: (results[0], results[both[results[0]]]))


# --- locks ------------------------------------------------------------------------------------------------------------


def exists(name: str) -> Commands[bool]:
    """Whether the time of the last `snapshots.first_in` of that name is not over."""
    return Commands([("EXISTS", f"spot:{name}")], lambda answers: bool(answers[0]))


def first_in(name: str, seconds: float) -> Commands[str | bool]:
    """True or a token for one caller per `seconds`, as `acquiring` says it."""
    return acquiring(f"spot:{name}", seconds)


def acquiring(key: str, seconds: float, longest: float | None = None) -> Commands[str | bool]:
    """Acquire a lock that expires after `seconds`: its token, or False when another caller has it. True: it is to be
    acquired by `snapshots.acquire`, since it has longer to live than any lasts (`longest`, else `seconds`) and dates
    from before the clock was set back, or since its holder has ended."""
    token = secrets.token_hex(16)
    most_ms = (seconds if longest is None else longest) * 1000 + SLACK_MS
    commands = [("SET", key, token, "NX", "PX", int(seconds * 1000)), ("PTTL", key), ("GET", key)]

    def meaning(answers: Sequence[Any]) -> str | bool:
        taken, left_ms, held = answers
        return token if taken else left_ms > most_ms or (held is not None and holders.has_ended(held.decode()))

    return Commands(commands, meaning)


# --- demand -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demand:
    """What clients look at: the datasets, most recently wanted first; how many look at each, by name; and the web
    processes that have ended since they said so. With the realm in force."""

    wanted: list[Dataset]
    viewers: Mapping[str, int]
    ended: list[str]
    realm: Realm


def demand() -> Commands[Demand]:
    """The demand of all clients."""

    def meaning(results: list[Any]) -> Demand:
        datasets, (reports, ended), where = results
        return Demand(datasets, viewers_of(reports), ended, where)

    return joined([wanted(), traffic(), realm()], meaning)


def wanted() -> Commands[list[Dataset]]:
    """The datasets that clients looked at lately, most recently wanted first."""
    keys = [f"spot:wanted:{kind}" for kind in KINDS]
    commands = [*chain.from_iterable(map(_forgetting, keys))]
    commands += [("ZREVRANGE", key, 0, MOST_WANTED - 1, "WITHSCORES") for key in keys]

    def meaning(answers: Sequence[Any]) -> list[Dataset]:
        pairs = [pair for answer in answers[-len(keys) :] for pair in _pairs(answer)]
        return [Dataset.parse(name.decode()) for name, _ in sorted(pairs, key=lambda pair: -pair[1])]

    return Commands(commands, meaning)


def _pairs(answer: Sequence[Any]) -> list[tuple[bytes, float]]:
    """Names with their scores, which come in pairs or, by the older protocol, one after the other."""
    if answer and not isinstance(answer[0], bytes):
        return [(name, float(score)) for name, score in answer]
    return [(name, float(score)) for name, score in zip(answer[::2], answer[1::2], strict=True)]


def wanted_coins(currency: str, limit: int) -> Commands[list[str]]:
    """The coins asked for by id in a currency, most recently wanted first."""
    key = f"spot:wanted:quotes:{currency}"
    commands = [*_forgetting(key), ("ZREVRANGE", key, 0, limit - 1)]
    return Commands(commands, lambda answers: [name.decode() for name in answers[-1]])


def _forgetting(key: str) -> list[tuple[Any, ...]]:
    """Remove entries without a recent viewer, and entries from before the clock was set back; hubs renew theirs every
    few seconds."""
    now = signs.now_ms()
    return [
        ("ZREMRANGEBYSCORE", key, "-inf", now - LINGER_MS),
        ("ZREMRANGEBYSCORE", key, now + SLACK_MS, "+inf"),
    ]


def last_looked(datasets: Sequence[Dataset]) -> Commands[dict[str, int]]:
    """By name: when a client last looked at each of these datasets, epoch ms; those that nobody did lately are left
    out."""

    def meaning(answers: Sequence[Any]) -> dict[str, int]:
        times = zip(datasets, answers, strict=True)
        return {dataset.name: int(float(at)) for dataset, at in times if at is not None}

    return Commands([("ZSCORE", f"spot:wanted:{dataset.kind}", dataset.name) for dataset in datasets], meaning)


def traffic() -> Commands[tuple[list[dict[str, Any]], list[str]]]:
    """What each web process says of those whom it serves (`spot.hub.traffic`), and the processes that have ended."""

    def meaning(answers: Sequence[Any]) -> tuple[list[dict[str, Any]], list[str]]:
        now, reports, ended = signs.now_ms(), [], []
        for process, text in answers[0].items():
            report = orjson.loads(text)
            if abs(now - report["at"]) > _VIEWERS_MS:
                ended.append(process)
            else:
                reports.append(report)
        return reports, ended

    return Commands([("HGETALL", "spot:viewers")], meaning)


def viewers_of(reports: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many clients look at each dataset, by name."""
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(report["viewers"])
    return dict(counts)


# --- snapshots --------------------------------------------------------------------------------------------------------


def facts(datasets: Sequence[Dataset], where: Realm) -> Commands[dict[str, tuple[Facts | None, Trouble | None]]]:
    """By name: the facts of the snapshot, and why the last fetch failed; None where there is no snapshot, or no
    trouble. Epoch and version are not read."""
    commands: list[tuple[Any, ...]] = []
    for dataset in datasets:
        commands += [
            ("HGET", f"spot:{where}:table:{dataset.name}", "meta"),
            ("GET", f"spot:{where}:trouble:{dataset.name}"),
        ]

    def meaning(answers: Sequence[Any]) -> dict[str, tuple[Facts | None, Trouble | None]]:
        return {
            dataset.name: (
                None if meta is None else record_of(Facts, orjson.loads(meta)),
                None if failed is None else record_of(Trouble, orjson.loads(failed)),
            )
            for dataset, meta, failed in zip(datasets, answers[::2], answers[1::2], strict=True)
        }

    return Commands(commands, meaning)


def version(dataset: Dataset, where: Realm) -> Commands[tuple[bytes, bytes] | None]:
    """Epoch and version of a snapshot, to be compared; None when there is none."""
    command = ("HMGET", f"spot:{where}:table:{dataset.name}", "epoch", "version")
    return Commands([command], lambda answers: None if None in answers[0] else tuple(answers[0]))
