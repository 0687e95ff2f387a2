"""The families of keys below `spot:`: what can be fetched or counted again, and what a backup takes along.

A name ends in `*` where a key goes on. Several match: the first decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from redis import Redis

#: `cache`: fetched, counted or agreed on anew. `missing`: restored where Redis has no such key, since what is there is
#: newer. `rows`: names rows of the database, and is replaced together with them.
Kept = Literal["cache", "missing", "rows"]
_PREFIX = "spot:"


@dataclass(frozen=True, slots=True)
class Family:
    """Keys of one kind: their names, what they contain, and what a backup does with them."""

    name: str
    meaning: str
    kept: Kept = "cache"


FAMILIES = (
    Family("seen-live", "whether real data were ever stored; without it a demo may be shown again", "missing"),
    Family("live:changes", "the last changes of source", "missing"),
    Family("live:*", "snapshots of real data, their versions, and troubles"),
    Family("demo:*", "the same of the simulated market, and why it is shown"),
    Family("changed:*", "changes of source that have just been recorded"),
    Family("wanted:*", "what clients looked at lately"),
    Family("viewers", "what web processes say of those whom they serve"),
    Family("claim:*", "who fetches what now"),
    Family("probe", "real providers were just out of reach"),
    Family("category", "a provider was just asked for a category"),
    Family("document", "a provider was just asked for a document"),
    Family("room", "what Redis has no room for has just been evicted"),
    Family("tick", "this second's tick has run"),
    Family("streamed", "streamed datasets have just been checked"),
    Family("listings-renewed", "announcements have just been renewed"),
    Family("worker", "the last sign of life of the workers"),
    Family("beats", "which beats ran lately"),
    Family("workers", "which workers ran lately"),
    Family("write-check", "a value without meaning"),
    Family("alerts", "rules have just been evaluated"),
    Family("alerts-*", "their datasets have just been wanted, old alerts pruned"),
    Family("alerts:operators", "the troubles that operators were told of", "missing"),
    Family("alerts:*", "what rules remember between two evaluations; windows fill again"),
    Family("budget:*:credits:*", "what each provider's key has used this month", "missing"),
    Family("budget:*:since", "since when that is counted", "missing"),
    Family("budget:*:lowered", "the limit of a minute that was learnt today", "missing"),
    Family("budget:*", "the minute, rests and outcomes of each key"),
    Family("breaker:*", "failures of providers"),
    Family("doubts:*", "prices that are not believed yet"),
    Family("identity:*", "when coins of other providers were translated"),
    Family("ledger:*", "calls by key and day, until they are in the database", "missing"),
    Family("metrics:*", "counters and reports for Prometheus, which takes a fall for a restart"),
    Family("signin*", "failed sign-ins by address, and addresses that are known"),
    Family("stream:lead:*", "which process has a provider's stream"),
    Family("stream:state:*", "the state of each stream"),
    Family("stream:seen", "the last sign of life of the stream process"),
    Family("stream:write-check", "a value without meaning"),
    Family("stream:*", "implausible prices of streams, by coin, of a week", "missing"),
    Family("client:usage:*", "what client keys use, by day, until it is in the database", "rows"),
    Family("client:protocols:*", "the use of other vendors' protocols, by day", "missing"),
    Family("client:*", "what web processes tell each other of their clients, and tickets of a minute"),
    Family("celery:*", "tasks, which expire within seconds"),
)


def family_of(key: str) -> Family | None:
    """The family of a key of Redis; None for a key that is not known."""
    name = key.removeprefix(_PREFIX)
    return next((family for family in FAMILIES if fnmatchcase(name, family.name)), None)


def saved(client: Redis) -> Iterator[dict[str, Any]]:
    """The keys that a backup takes along: name, type, milliseconds left (None: no end), and value."""
    for raw in sorted(client.scan_iter(match=f"{_PREFIX}*", count=1000)):
        key = raw.decode()
        family = family_of(key)
        if family is None or family.kept == "cache":
            continue
        if (value := _read(client, key)) is not None:
            left: Any = client.pttl(key)
            yield {"key": key, "ms": left if left > 0 else None, "value": value}


def restore(client: Redis, records: Iterable[dict[str, Any]]) -> int:
    """Write keys of a backup, all or none; returns how many. Keys that name rows are replaced, others only added."""
    wanted = {record["key"]: record for record in records if family_of(record["key"]) is not None}
    of_rows = [
        key
        for key in (raw.decode() for raw in client.scan_iter(match=f"{_PREFIX}*", count=1000))
        if (family := family_of(key)) is not None and family.kept == "rows"
    ]
    missing = [key for key in wanted if key in of_rows or not client.exists(key)]
    with client.pipeline(transaction=True) as pipe:
        if of_rows:
            pipe.delete(*of_rows)
        for key in missing:
            _write(pipe, key, wanted[key]["value"])
            if (left := wanted[key]["ms"]) is not None:
                pipe.pexpire(key, left)
        pipe.execute()
    return len(missing)


def _read(client: Redis, key: str) -> Any:
    """A text, the fields of a hash, or the entries of a list; None for a key that has just expired."""
    kind: Any = client.type(key)
    value: Any
    if kind == b"hash":
        value = client.hgetall(key)
        return {field.decode(): text.decode() for field, text in value.items()} or None
    if kind == b"list":
        value = client.lrange(key, 0, -1)
        return [text.decode() for text in value] or None
    value = client.get(key) if kind == b"string" else None
    return None if value is None else value.decode()


def _write(pipe: Any, key: str, value: Any) -> None:
    if isinstance(value, dict):
        pipe.hset(key, mapping=value)
    elif isinstance(value, list):
        pipe.rpush(key, *value)
    else:
        pipe.set(key, value)
