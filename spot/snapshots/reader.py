"""The store as a hub reads it: from an event loop, newest snapshots only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.conf import settings

from providers.datasets import Dataset
from providers.stored import record_of
from spot.query.columns import Charts, Columns
from spot.snapshots import (
    FIELDS,
    WRITE_CHECK,
    News,
    Realm,
    Snapshot,
    Trouble,
    note_demand,
    now_ms,
    snapshot_of,
)
from spot.snapshots.commands import realm_of

#: Reads a snapshot with its charts, without their text if the reader has it. KEYS: snapshot. ARGV: the version of the
#: reader's charts.
_WITH_CHARTS = """
local fields = redis.call('hmget', KEYS[1], 'epoch', 'version', 'meta', 'cells', 'charted')
fields[6] = fields[5] ~= ARGV[1] and redis.call('hget', KEYS[1], 'charts')
return fields
"""


class Reader:
    """An event loop's view of the store, with one connection, since a hub asks one thing at a time."""

    def __init__(self) -> None:
        # A pool checks a connection before each use, which costs as much as a small answer.
        self._redis = settings.REDIS.async_client()
        self._id = secrets.token_hex(4)
        self.realm: Realm = realm_of(settings.SPOT_DEMO, seen_live=False)

    async def news(self, names: Sequence[str]) -> dict[str, News]:
        """The state of each dataset in the store, in one round trip (two when the realm has just changed)."""
        before = self.realm
        pipe = self._redis.pipeline(transaction=False)
        self._ask_realm(pipe)
        for name in names:
            pipe.hget(f"spot:{before}:table:{name}", "version")
            pipe.get(f"spot:{before}:trouble:{name}")
        seen, demo, epoch, *answers = await pipe.execute()
        self._settle_realm(seen, demo)
        if self.realm != before:
            return await self.news(names)
        return {
            name: _news(epoch, version, failed)
            for name, version, failed in zip(names, answers[::2], answers[1::2], strict=True)
        }

    def _ask_realm(self, pipe: Any) -> None:
        pipe.exists("spot:seen-live")
        pipe.exists("spot:demo:epoch")
        pipe.get(f"spot:{self.realm}:epoch")

    def _settle_realm(self, seen: int, demo: int) -> None:
        # A store that was emptied has lost `seen-live`; the realm stays live, unless the store has a demo now.
        self.realm = realm_of(settings.SPOT_DEMO, bool(seen) or (self.realm == "live" and not demo))

    async def latest(
        self, dataset: Dataset, *, charts: bool, known: Snapshot | None = None
    ) -> tuple[News, Snapshot | None]:
        """The state of a dataset and its snapshot, with or without charts, in one round trip. The charts of `known` are
        not read again if they are still the same."""
        before, name, at_hand = self.realm, dataset.name, _charts_of(known)
        pipe = self._redis.pipeline(transaction=False)
        self._ask_realm(pipe)
        pipe.get(f"spot:{before}:trouble:{name}")
        _ask(pipe, f"spot:{before}:table:{name}", at_hand if charts else None)
        seen, demo, epoch, failed, fields = await pipe.execute()
        self._settle_realm(seen, demo)
        if self.realm != before:
            return await self.latest(dataset, charts=charts, known=known)
        return _news(epoch, fields[1], failed), snapshot_of(dataset, fields, at_hand)

    async def stored(
        self, dataset: Dataset, *, charts: bool, known: Snapshot | None = None
    ) -> tuple[News, Snapshot | None]:
        """The same at a lower cost, after a nudge about a snapshot that was just stored in the realm in force."""
        at_hand = _charts_of(known)
        fields: Any = await _ask(self._redis, f"spot:{self.realm}:table:{dataset.name}", at_hand if charts else None)
        return _news(fields[0], fields[1], None), snapshot_of(dataset, fields, at_hand)

    async def want(
        self,
        seen: Mapping[str, int],
        coins: Mapping[str, Mapping[str, int]],
        viewers: Mapping[str, int],
        traffic: Mapping[str, Any] | None = None,
    ) -> None:
        """Store when clients last looked at each of these datasets (epoch ms, by name); `coins`: the same by currency
        for ids that no markets snapshot has; `viewers`: the number of clients of each dataset here; `traffic`: what
        else the operator is told of this process."""
        pipe = self._redis.pipeline(transaction=False)
        note_demand(pipe, seen, coins)
        if viewers:
            pipe.hset("spot:viewers", self._id, orjson.dumps({"at": now_ms(), "viewers": viewers, **(traffic or {})}))
        await pipe.execute()

    async def try_write(self) -> None:
        """Write a value without meaning. Raises when Redis does not answer, and when it refuses."""
        await self._redis.set(WRITE_CHECK, 1, ex=60)

    async def fullness(self) -> float:
        """The used part of the memory that Redis may use, from 0 to 1; 0 where there is no limit."""
        memory = await self._redis.info("memory")
        limit = memory.get("maxmemory", 0)
        return memory["used_memory"] / limit if limit else 0.0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()


def _ask(client: Any, key: str, charts: Charts | None) -> Any:
    """Ask for a snapshot; with its charts, if `charts` are given and are not the newest."""
    return client.hmget(key, FIELDS) if charts is None else client.eval(_WITH_CHARTS, 1, key, charts.version)


def _charts_of(snapshot: Snapshot | None) -> Charts:
    """The snapshot's charts; empty ones, if they were not read."""
    rows = snapshot.rows if snapshot else None
    return rows.charts if isinstance(rows, Columns) and rows.charts else Charts(b"", "none")


def _news(epoch: bytes | None, version: bytes | None, failed: bytes | None) -> News:
    trouble = None if failed is None else record_of(Trouble, orjson.loads(failed))
    return News(epoch.decode() if epoch else "", int(version or 0), trouble)
