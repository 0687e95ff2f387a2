"""The snapshot store: the only package that knows its Redis keys.

Writers (Celery, sync) replace a dataset whole and send one nudge; readers (the hub, async) load newer versions. Rows
never travel through the channel layer, so a lost nudge costs a few seconds, never data.

Keys, all below `spot:`; REALM is `live` or `demo`, so that simulated values never mix with real ones:

===============================  ==============================================================================
`seen-live`                      set once real data have been stored: from then on `auto` never shows a simulation
`REALM:epoch`                    a random name for this store's life: versions only compare within one epoch
`REALM:version`                  the last snapshot's number: its time in ms, or one more than the one before
`REALM:table:NAME`               hash: epoch, version, meta (JSON), cells and charts (the rows: `spot.query.columns`),
                                 charted (the version of the charts)
`REALM:trouble:NAME`             why the last fetch failed, until one succeeds
`REALM:changes`                  list: the last changes of a source (JSON), newest first
`changed:…`                      exists while that change has just been recorded
`wanted:KIND`                    sorted set: dataset -> when a client last looked at it, epoch ms
`wanted:quotes:CURRENCY`         the same for coins outside the markets snapshot
`viewers`                        hash: web process -> how many clients look at each dataset there, and its traffic
`claim:NAME`                     the token of the task that fetches a dataset now
`demo:because`                   why the demo is shown instead of real data, for visitors
`probe`                          exists while real providers are known to be out of reach
`category`                       exists while a real provider has just been asked for a category
`streamed`, `listings-renewed`   exist while streamed datasets have just been checked, announcements renewed
`worker`, `workers`, `beats`     when a worker last ran the tick, which workers and beats run (`spot.signs`)
`alerts`, `alerts-wanted`, …     exist while rules have just been evaluated, their datasets wanted, old alerts pruned
`write-check`                    a value without meaning, to find out whether Redis takes writes
===============================  ==============================================================================
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import redis
import structlog
from django.conf import settings
from redis.commands.core import Script
from redis.exceptions import LockError
from redis.lock import Lock

from providers.clean import SLACK_MS, ahead
from providers.datasets import BUNDLED, Dataset, Fetched, Row
from providers.facts import Facts
from providers.pipelines import Commands
from providers.stored import record_of
from spot import signs
from spot.query.columns import Charts, Columns
from spot.snapshots import commands, holders
from spot.snapshots.commands import MOST_WANTED, Realm, Trouble
from spot.snapshots.nudges import nudge

log = structlog.get_logger(__name__)
_DAY = 86_400
#: The time that a renewal may take from being due to being published, however short the interval, in seconds.
_SLACK_SECONDS = 5
#: The fields of a stored snapshot: those that every reader needs, and the charts, which are most of its size.
FIELDS = ["epoch", "version", "meta", "cells"]
CHARTS = ["charted", "charts"]
#: Recorded changes of source; the same change of many datasets of a kind within this time is one.
_CHANGES = 20
_SAME_CHANGE_SECONDS = 600
#: How long trouble is stored past the next try, in seconds; it is renewed earlier while clients look.
_TROUBLE_SECONDS = 240
#: Tries of an amendment that a poll overtakes; polls are seconds apart.
_AMEND_TRIES = 3
#: The key that readiness writes, to know that Redis takes writes.
WRITE_CHECK = "spot:write-check"


@dataclass(frozen=True, slots=True)
class Snapshot(Facts):
    """A dataset at a version. `rows` of the store are `Columns`, in which a sparkline is `JsonText`."""

    dataset: Dataset
    rows: Sequence[Row]

    @property
    def has_charts(self) -> bool:
        """Whether the charts came with the rows."""
        return not isinstance(self.rows, Columns) or self.rows.has_charts


#: Makes new rows and meta of a snapshot without its charts, or None for no change. It must not mutate the snapshot, and
#: keeps the number and order of rows, by which charts belong to them.
Amendment = Callable[[Snapshot], tuple[list[Row], dict[str, Any]] | None]


@dataclass(frozen=True, slots=True)
class News:
    """The state of a dataset in the store: its version (0: none), and trouble, if the last fetch failed."""

    epoch: str
    version: int
    trouble: Trouble | None


def now_ms() -> int:
    """Epoch milliseconds."""
    return signs.now_ms()


# --- the sync side: workers, commands --------------------------------------------------------------------------------


@cache
def connection() -> redis.Redis:
    """This process's Redis client."""
    return settings.REDIS.client()


def try_write(client: redis.Redis) -> None:
    """Write a value without meaning. Raises when Redis does not answer, and when it refuses."""
    client.set(WRITE_CHECK, 1, ex=60)


def realm() -> Realm:
    """The realm in force."""
    return commands.realm().run(connection())


def seen_live() -> bool:
    """Whether this store has ever held real data."""
    return bool(connection().exists("spot:seen-live"))


def save(fetched: Fetched, interval_s: float) -> int:
    """Store a fetched dataset as its newest snapshot, nudge the hubs, and return the version.

    `interval_s` is the pace at which the dataset is renewed now.
    """
    where: Realm = "demo" if fetched.simulated else "live"
    traits, name = fetched.dataset.traits, fetched.dataset.name
    limit = max_age_ms(interval_s, fetched.settle_ms)
    facts = replace(fetched, interval_ms=int(interval_s * 1000), max_age_ms=limit)
    # Streamed data come without a market, so a demo goes on until there is one.
    real = where == "live" and not traits.streamed and fetched.source != BUNDLED
    version, before, first = _store(where, name, facts, fetched.rows, kept_s=traits.kept, real=real)
    try:
        if first:
            _end_demo(connection())
        if before is not None:
            _note_change(where, fetched, orjson.loads(before))
    except (redis.RedisError, OSError, ValueError) as error:  # the snapshot is stored all the same
        log.warning("change of source not noted", dataset=name, error=type(error).__name__)
    nudge(name, where)
    return version


def max_age_ms(interval_s: float, settle_ms: int) -> int:
    """The age from which data are stale when they are renewed every `interval_s` seconds: a renewal is missing, even
    with the provider's own delay (`settle_ms`)."""
    return int(max(2 * interval_s, interval_s + _SLACK_SECONDS) * 1000) + settle_ms


def _store(
    where: Realm,
    name: str,
    facts: Facts,
    rows: Sequence[Row],
    *,
    newest: int | None = None,
    kept_s: int | None = None,
    real: bool = False,
) -> tuple[int, bytes | None, bool]:
    """Run `store.lua`, which describes the arguments and the answer."""
    names = (f"table:{name}", "version", "epoch", f"trouble:{name}")
    keys = [*(f"spot:{where}:{key}" for key in names), "spot:seen-live"]
    limits = ["" if limit is None else limit for limit in (newest, kept_s)]
    (cells, charts), life = Columns.pack(rows), secrets.token_hex(4)
    args: list[Any] = [now_ms(), orjson.dumps(facts.stored()), cells, limits[0], life, limits[1], "1" if real else ""]
    if kept_s is not None:  # a poll's; an amendment leaves the charts as they are
        args += [charts.version, charts.text]
    version, before, first = _store_script()(keys=keys, args=args, client=connection())
    return int(version), before, bool(first)


def _note_change(where: Realm, fetched: Fetched, before: dict[str, Any]) -> None:
    """Record that the data come from another source than before."""
    kind, currency = fetched.dataset.kind, fetched.dataset.currency
    if before["source"] == fetched.source:
        return
    if not first_in(f"changed:{kind}:{currency}:{before['source']}:{fetched.source}", _SAME_CHANGE_SECONDS):
        return
    change = {"at": now_ms(), "kind": kind, "currency": currency, "before": before["label"], "after": fetched.label}
    with connection().pipeline(transaction=True) as pipe:
        pipe.lpush(f"spot:{where}:changes", orjson.dumps(change))
        pipe.ltrim(f"spot:{where}:changes", 0, _CHANGES - 1)
        pipe.execute()


def changes() -> list[dict[str, Any]]:
    """The last changes of a source, newest first: `at` (epoch ms), `kind`, `currency`, and the labels of the sources
    `before` and `after`."""
    texts: Any = connection().lrange(f"spot:{realm()}:changes", 0, -1)
    return [orjson.loads(text) for text in texts]


def amend(dataset: Dataset, change: Amendment, known: Snapshot | None = None) -> Snapshot | None:
    """Store the rows and meta that `change` makes of the newest real snapshot as a newer version, and return the newest
    snapshot; None when there is none.

    Times, source and age limit stay those of the poll. If a poll stores another snapshot meanwhile, `change` is called
    again with that one: an amendment never replaces a snapshot that it has not seen. `known` is the caller's newest
    snapshot, to save reading its rows. No hub is nudged: `nudges.tell` does that.
    """
    for _ in range(_AMEND_TRIES):
        known = _newest(dataset, known)
        if known is None or (amendment := change(known)) is None:
            return known
        rows, meta = amendment
        if len(rows) != len(known.rows):
            raise ValueError(f"an amendment keeps all rows of {dataset.name}: their charts stay where they are")
        amended = replace(known, rows=rows, meta=meta)
        version, _, _ = _store("live", dataset.name, amended, rows, newest=known.version)
        if version:
            return replace(amended, version=version)
    return known


def _newest(dataset: Dataset, known: Snapshot | None) -> Snapshot | None:
    """The newest real snapshot, without its charts; `known`, if it still is the newest."""
    key, client = f"spot:live:table:{dataset.name}", connection()
    now: Any = client.hmget(key, ["epoch", "version"])
    if known and None not in now and (known.epoch, known.version) == (now[0].decode(), int(now[1])):
        return known
    return _decoded(dataset, client.hmget(key, FIELDS))


@cache
def _store_script() -> Script:
    return connection().register_script(Path(__file__).with_name("store.lua").read_text())


def _end_demo(client: redis.Redis) -> None:
    for key in client.scan_iter("spot:demo:*", count=500):
        client.delete(key)


def set_trouble(dataset: Dataset, trouble: Trouble) -> None:
    """Store why a fetch failed, and nudge the hubs."""
    key = f"spot:{realm()}:trouble:{dataset.name}"
    rest = max(0, (trouble.next_try or 0) - now_ms()) // 1000
    connection().set(key, orjson.dumps(trouble), ex=min(3600, rest + _TROUBLE_SECONDS))
    nudge(dataset.name)


def keep_trouble(dataset: Dataset) -> None:
    """Renew the trouble of a dataset, since a client still looks."""
    connection().expire(f"spot:{realm()}:trouble:{dataset.name}", _TROUBLE_SECONDS)


def hold(dataset: Dataset) -> bool:
    """Extend the life of a snapshot by a full term, since it cannot be renewed; returns whether there is one."""
    return bool(connection().expire(f"spot:{realm()}:table:{dataset.name}", dataset.traits.kept))


def end_trouble(dataset: Dataset) -> None:
    """Remove the trouble of a dataset, since data may come soon."""
    connection().delete(f"spot:{realm()}:trouble:{dataset.name}")
    nudge(dataset.name)


def trouble(dataset: Dataset) -> Trouble | None:
    """Why the dataset's last fetch failed; None when it did not."""
    raw = connection().get(f"spot:{realm()}:trouble:{dataset.name}")
    return None if raw is None else record_of(Trouble, orjson.loads(raw))


def load(dataset: Dataset, where: Realm | None = None, *, charts: bool = True) -> Snapshot | None:
    """The newest snapshot of a dataset, in the realm in force or in another, with or without its charts."""
    return loading(dataset, where or realm(), charts=charts).run(connection())


def loading(dataset: Dataset, where: Realm, *, charts: bool = True) -> Commands[Snapshot | None]:
    """The same as a part of a round trip."""
    fields = [*FIELDS, *CHARTS] if charts else FIELDS
    command = ("HMGET", f"spot:{where}:table:{dataset.name}", *fields)
    return Commands([command], lambda answers: _decoded(dataset, answers[0]))


def _decoded(dataset: Dataset, fields: Any) -> Snapshot | None:
    """The snapshot of these fields; None when it cannot be read, so that the next poll replaces it."""
    try:
        snapshot = snapshot_of(dataset, fields)
        if snapshot is not None and isinstance(snapshot.rows, Columns):
            snapshot.rows.decode()
    except (ValueError, TypeError) as error:
        log.warning("snapshot cannot be read", dataset=dataset.name, error=str(error))
        return None
    return snapshot


def facts(datasets: Sequence[Dataset], where: Realm | None = None) -> dict[str, tuple[Facts | None, Trouble | None]]:
    """By name: the facts of the snapshot, and why the last fetch failed; None where there is no snapshot, or no
    trouble. Epoch and version are not read."""
    return commands.facts(datasets, where or realm()).run(connection())


def heads(datasets: Sequence[Dataset]) -> dict[str, Facts]:
    """By name: the facts of each snapshot in the realm in force, with epoch and version; those without one are left
    out."""
    client, where = connection(), realm()
    with client.pipeline(transaction=False) as pipe:
        for dataset in datasets:
            pipe.hmget(f"spot:{where}:table:{dataset.name}", ["epoch", "version", "meta"])
        answers = pipe.execute()
    return {
        dataset.name: record_of(Facts, orjson.loads(meta), epoch=epoch.decode(), version=int(version))
        for dataset, (epoch, version, meta) in zip(datasets, answers, strict=True)
        if None not in (epoch, version, meta)
    }


def ages(datasets: Sequence[Dataset]) -> dict[str, tuple[int | None, int | None]]:
    """By name: when each dataset was fetched, and when its next try is due after trouble; None where there is
    neither. A next try that was set before the clock was set back is due."""
    return ages_of(facts(datasets))


def ages_of(known: Mapping[str, tuple[Facts | None, Trouble | None]]) -> dict[str, tuple[int | None, int | None]]:
    """The ages, by what is known of the datasets."""
    now, times = now_ms(), {}
    for name, (stored, failed) in known.items():
        next_try = failed.next_try if failed and not ahead(failed.at, now) else None
        times[name] = (stored.fetched_at if stored else None, next_try)
    return times


def first_in(name: str, seconds: float) -> bool:
    """True for one caller per `seconds`, whatever the number of processes."""
    return acquire(f"spot:{name}", seconds) is not None


def acquire(key: str, seconds: float, token: str | None = None) -> str | None:
    """Acquire a lock that expires after `seconds`: its token, or None when another caller has it.

    A lock with longer to live than that dates from before the clock was set back, and one that was signed by a process
    that has ended is nobody's. It is released first; its token makes sure that no lock acquired meanwhile is.
    """
    lock = Lock(connection(), key, timeout=seconds, thread_local=False)
    if not lock.acquire(blocking=False, token=token):
        held: Any = connection().get(key)
        left_ms: Any = connection().pttl(key)
        if held is None or (left_ms <= seconds * 1000 + SLACK_MS and not holders.has_ended(held.decode())):
            return None
        with suppress(LockError):
            lock.do_release(held)
        if not lock.acquire(blocking=False, token=token):
            return None
    return str(lock.local.token.decode())


def resting(name: str) -> bool:
    """Whether the time of the last `first_in` of that name is not over."""
    return commands.exists(name).run(connection())


def mark_worker() -> None:
    """Record that a worker ran a task just now."""
    signs.mark_worker(connection())


def worker_seen_ms() -> int | None:
    """When a worker last ran a task, epoch ms; None when none did for a day."""
    return signs.worker_seen_ms(connection())


def wanted() -> list[Dataset]:
    """The datasets that clients looked at lately, most recently wanted first."""
    return commands.wanted().run(connection())


def last_looked(datasets: Sequence[Dataset]) -> dict[str, int]:
    """By name: when a client last looked at each of these datasets, epoch ms; those that nobody did lately are left
    out."""
    return commands.last_looked(datasets).run(connection())


def viewers() -> dict[str, int]:
    """How many clients look at each dataset, by name, in all web processes together."""
    return commands.viewers_of(traffic())


def traffic() -> list[dict[str, Any]]:
    """What each web process says of those whom it serves (`spot.hub.traffic`)."""
    reports, ended = commands.traffic().run(connection())
    forget_processes(ended)
    return reports


def forget_processes(ended: Sequence[str]) -> None:
    """Remove what web processes that have ended said of those whom they served."""
    if ended:
        connection().hdel("spot:viewers", *ended)


def wanted_coins(currency: str, limit: int) -> list[str]:
    """The coins asked for by id in a currency, most recently wanted first."""
    return commands.wanted_coins(currency, limit).run(connection())


def want(datasets: Iterable[Dataset], coins: dict[str, list[str]] | None = None) -> None:
    """Ask, from the sync side, for datasets to be fetched for a while (see `Reader.want`)."""
    now = now_ms()
    with connection().pipeline(transaction=False) as pipe:
        ids = {currency: dict.fromkeys(ids, now) for currency, ids in (coins or {}).items()}
        note_demand(pipe, {dataset.name: now for dataset in datasets}, ids)
        pipe.execute()


def note_demand(pipe: Any, seen: Mapping[str, int], coins: Mapping[str, Mapping[str, int]]) -> None:
    """Record when clients last looked at datasets and, by currency, at coins (epoch ms, by name). Each kind has a
    bounded list of its own, so that a flood of one kind evicts nothing of another."""
    lists: dict[str, dict[str, int]] = {f"spot:wanted:quotes:{currency}": dict(ids) for currency, ids in coins.items()}
    for name, at in seen.items():
        lists.setdefault(f"spot:wanted:{name.partition(':')[0]}", {})[name] = at
    for key, times in lists.items():
        if times:
            pipe.zadd(key, times, gt=True)
            pipe.zremrangebyrank(key, 0, -MOST_WANTED - 1)


def snapshot_of(dataset: Dataset, fields: Sequence[Any], known: Charts | None = None) -> Snapshot | None:
    """The snapshot of `FIELDS`, with or without `CHARTS`; `known` are its charts if the text of them is None."""
    epoch, version, meta, cells, *more = fields
    if None in (epoch, version, meta, cells):
        return None
    charts = None
    if more:
        charts = known if more[1] is None else Charts(more[1], (more[0] or b"").decode())
    rows = Columns.unpack(cells, charts)
    return record_of(
        Snapshot, orjson.loads(meta), dataset=dataset, epoch=epoch.decode(), version=int(version), rows=rows
    )
