"""`/status.json`: the sources and ages of the data, for every visitor.

Sockets report the same, dataset by dataset; nothing here is about keys, budgets or viewers. Datasets that differ only
in their coin or channel are one row.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple

from redis.exceptions import RedisError

import providers
from providers.datasets import BUNDLED, COINS, CURRENCIES, KINDS, Dataset
from providers.facts import Facts
from providers.streams import stream_state
from spot import snapshots
from spot.codes import Refused
from spot.dialects.interface import Operation, Outcome, Payload
from spot.dialects.values import State
from spot.feeds.base import Column, row_schema
from spot.snapshots import Trouble, demo, now_ms
from spot.web.answers import Request, Response, json_answer, refusal
from spot.web.headers import BALANCE

#: How long the facts are cached, in seconds.
_PACE = 2.0
#: Reported even while no client looks at them.
_MARKET = Dataset("markets", "usd")
_ALWAYS = (_MARKET, CURRENCIES, COINS)
#: Worst state first; a merged row reports the worst.
_WORST: tuple[State | str, ...] = ("unavailable", "stale", "waiting", "live", "idle", "missing")

_SOURCE = (
    Column("source", "text", null=True, note="the provider, for programs"),
    Column("label", "text", null=True, note="the provider, for people"),
    Column("url", "text", null=True, note="its site; null for the demo"),
)
_FIELDS = (
    Column("now", "time", note="the server's time"),
    Column("worker_seen", "time", null=True, note="when a worker last looked for what is due"),
    Column("simulated", "boolean", note="whether simulated data are shown"),
    Column("simulated_because", "text", null=True, note="with SPOT_DEMO=auto, why real data cannot be shown"),
    Column("data", "rows", note="the data of the last two minutes, the market in dollars, and the lists", of=(
        Column("kind", "text"),
        Column("currency", "text", null=True),
        Column("block", "integer", note="500 coins each, by market cap"),
        Column("state", "text", note="as in status frames; or idle: nobody looks at it; missing: no source"),
        Column("count", "integer", note="datasets that differ only in coin or channel"),
        Column("reason", "text", null=True, note="why it is not live"),
        Column("next_try", "time", null=True, note="when it is fetched next after a failure"),
        Column("as_of", "time", null=True),
        Column("fetched_at", "time", null=True),
        Column("interval_ms", "integer", null=True, note="how often it is renewed"),
        Column("max_age_ms", "integer", null=True, note="the age from which it is stale"),
        *_SOURCE,
    )),
    Column("streams", "rows", note="providers' streams that a process looks after", of=(
        *_SOURCE,
        Column("brings", "texts"),
        Column("state", "text"),
        Column("since", "time", null=True),
        Column("heard", "time", null=True, note="when its last message came"),
    )),
    Column("changes", "rows", note="the last changes of a source, newest first", of=(
        Column("at", "time"),
        Column("kind", "text"),
        Column("currency", "text", null=True),
        Column("before", "text", null=True),
        Column("after", "text", null=True),
    )),
)  # fmt: skip
OPERATION = Operation(
    id="getStatus",
    summary="the sources of the data and their ages",
    tag="status",
    answers=(Outcome(200, "the facts, at most two seconds old", (Payload("Status", row_schema(_FIELDS)),), BALANCE),),
    errors=("unavailable",),
)

_KINDS = list(KINDS)
_cache: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[float, dict[str, Any]]] = weakref.WeakKeyDictionary()
_turn: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


async def facts(_request: Request) -> Response:
    """The facts as JSON (docs/endpoints.md describes them); 503 while the store does not answer."""
    try:
        current = await _lately()
    except (RedisError, OSError):
        return refusal(Refused("unavailable", "The store of this site does not answer at the moment."))
    return json_answer(current | {"now": now_ms()}, cache_control="no-store")


async def _lately() -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    async with _turn.setdefault(loop, asyncio.Lock()):
        read_at, current = _cache.get(loop, (0.0, {}))
        if not current or time.monotonic() - read_at > _PACE:
            current = await asyncio.to_thread(read)
            _cache[loop] = (time.monotonic(), current)
    return current


def read() -> dict[str, Any]:
    """The facts, from the store. Raises RedisError."""
    standings = datasets(now_ms())
    return {
        "simulated": is_simulated(standings),
        "simulated_because": demo.reason(),
        "worker_seen": snapshots.worker_seen_ms(),
        "data": _together(map(_row, standings)),
        "streams": _streams(),
        "changes": snapshots.changes(),
    }


class Standing(NamedTuple):
    """How one dataset is doing."""

    dataset: Dataset
    facts: Facts | None
    trouble: Trouble | None
    state: State | str


def datasets(now: int) -> list[Standing]:
    """The datasets that somebody looks at, the market in dollars and the lists, by name. Raises RedisError."""
    wanted = set(snapshots.wanted())
    every = sorted(wanted | set(_ALWAYS), key=lambda dataset: dataset.name)
    stored = snapshots.facts(every)
    return [
        Standing(dataset, facts, trouble, _state(facts, trouble, dataset in wanted, now))
        for dataset in every
        for facts, trouble in [stored[dataset.name]]
        if dataset in wanted or dataset == _MARKET or facts or trouble
    ]


def is_simulated(standings: Iterable[Standing]) -> bool:
    """Whether simulated data are shown."""
    return any(facts.simulated for _, facts, _, _ in standings if facts and facts.source != BUNDLED)


def _row(standing: Standing) -> dict[str, Any]:
    dataset, facts, trouble, state = standing
    names = ("source", "label", "as_of", "fetched_at", "interval_ms", "max_age_ms")
    return {
        "kind": dataset.kind,
        "currency": dataset.currency or None,
        "block": dataset.block,
        "state": state,
        "count": 1,
        "reason": trouble.public if trouble else None,
        "next_try": trouble.next_try if trouble else None,
        **{name: getattr(facts, name, None) for name in names},
        "url": (providers.site(facts.source) or None) if facts else None,
    }


def _state(facts: Facts | None, trouble: Trouble | None, wanted: bool, now: int) -> State | str:
    """The state that feeds report; but `idle` for old data that nobody looks at, and `missing` where none will come,
    for example because no source is set up."""
    if facts is None and trouble:
        return "missing" if trouble.permanent else "unavailable"
    if facts is None:
        return "waiting"
    if not facts.stale(now):
        return "live"
    return "stale" if wanted else "idle"


def _together(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge rows that differ in coin or channel only: the worst state, the oldest times, and their number."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (_WORST.index(row["state"]), row["as_of"] or 0)):
        first = merged.setdefault((row["kind"], row["currency"], row["block"], row["source"]), row)
        if first is not row:
            first["count"] += 1
    return sorted(merged.values(), key=lambda row: (_KINDS.index(row["kind"]), row["currency"] or "", row["block"]))


def _streams() -> list[dict[str, Any]]:
    """The open streams: what each brings, its state, since when, and when its last message came."""
    streams = []
    for provider in providers.all():
        state = provider.stream and stream_state.read(snapshots.connection(), provider.name)
        if provider.stream and state:
            facts = {"state": state.state, "since": state.since, "heard": state.heard}
            streams.append(
                {
                    "source": provider.name,
                    "label": provider.label,
                    "url": provider.url or None,
                    "brings": sorted(provider.stream.brings),
                }
                | facts
            )
    return streams
