"""Rows that cannot be true are dropped and counted, one by one; an answer most of which cannot be true is refused.

What cannot be true: no id, a price (of a coin, or one of a candle's) that is no finite number above zero, and a coin's
price more than `FACTOR` times above or below the last one believed, if that is younger than `BELIEVED_MS`. Coins are
redenominated, though: a level that has been seen for `DOUBTED_MS`, or that two sources agree on, is believed. What is
doubted meanwhile is remembered by dataset, in Redis.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from redis import Redis

from providers.datasets import Dataset, Row, Traits
from providers.errors import BadPayload

#: How far a price may move between two believed values, up or down.
FACTOR = 1_000.0
#: How old the last believed price may be to be held against a new one.
BELIEVED_MS = 3_600_000
#: For how long a doubted level must have been seen to be believed.
DOUBTED_MS = 600_000
#: What counts as the same level: no further apart than this factor.
SAME_LEVEL = 2.0
#: So many rows, and more than half of all, make an answer that is refused whole.
MANY = 3


class Before(Protocol):
    """The snapshot that is in place: its rows, and when they were fetched (epoch ms), from whomever."""

    @property
    def simulated(self) -> bool: ...

    @property
    def rows(self) -> Sequence[Row]: ...
    @property
    def fetched_at(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Doubt:
    """A coin whose price is not believed: what was believed last and when, and what came instead, since when, from
    whom. Times are epoch ms."""

    believed: float
    believed_at: int
    level: float
    since: int
    source: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What is believed of an answer, how many rows are not, and what is doubted from now on, by coin."""

    rows: list[Row]
    dropped: int = 0
    doubts: dict[str, Doubt] = field(default_factory=dict)


def judge(
    dataset: Dataset,
    rows: Sequence[Row],
    before: Before | None,
    doubts: Mapping[str, Doubt],
    source: str,
    now_ms: int,
) -> Judged:
    """Pick the rows that can be true. Pure. BadPayload when most of them cannot."""
    sound = [row for row in rows if _sound(dataset.traits, row)]
    kept, doubted = _held_against(_last(before, doubts, now_ms), doubts, sound, source, now_ms)
    seen = {row.get("id") for row in sound}
    # Who is not in this answer may be in the next.
    doubted |= {
        coin: doubt for coin, doubt in doubts.items() if coin not in seen and now_ms - doubt.believed_at < BELIEVED_MS
    }
    dropped = len(rows) - len(kept)
    if dropped >= MANY and dropped * 2 > len(rows):
        raise BadPayload(f"{dropped} of {len(rows)} rows cannot be true")
    return Judged(kept, dropped, doubted)


def _sound(traits: Traits, row: Row) -> bool:
    if not row.get(traits.key):
        return False
    return all(_positive(row[name]) for name in traits.positive if row.get(name) is not None)


def _positive(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and value > 0


def _last(before: Before | None, doubts: Mapping[str, Doubt], now_ms: int) -> dict[str, tuple[float, int]]:
    """By coin, the price believed last and when; a doubted coin is in no snapshot, but its doubt remembers."""
    known = {coin: (doubt.believed, doubt.believed_at) for coin, doubt in doubts.items()}
    if before is not None:
        known |= {
            row["id"]: (row["price"], before.fetched_at)
            for row in before.rows
            if isinstance(row.get("id"), str) and _positive(row.get("price"))
        }
    return {coin: (price, at) for coin, (price, at) in known.items() if now_ms - at < BELIEVED_MS}


def _held_against(
    last: Mapping[str, tuple[float, int]],
    doubts: Mapping[str, Doubt],
    rows: Iterable[Row],
    source: str,
    now_ms: int,
) -> tuple[list[Row], dict[str, Doubt]]:
    kept: list[Row] = []
    doubted: dict[str, Doubt] = {}
    for row in rows:
        price, coin = row.get("price"), str(row.get("id"))
        if price is None or coin not in last or _apart(price, last[coin][0]) <= FACTOR:
            kept.append(row)
            continue
        doubt = doubts.get(coin)
        if doubt is None or _apart(price, doubt.level) > SAME_LEVEL:
            doubt = Doubt(*last[coin], price, now_ms, source)
        if doubt.source != source or now_ms - doubt.since >= DOUBTED_MS:
            kept.append(row)
        else:
            doubted[coin] = doubt
    return kept, doubted


def _apart(a: float, b: float) -> float:
    return max(a / b, b / a) if a and b else math.inf


def disagreement(a: float, b: float) -> float:
    """By how many percent the larger of two prices is above the smaller; infinite when one of them is no price. Pure.

    What is too much is `SPOT_DISAGREE_PERCENT`.
    """
    if not (_positive(a) and _positive(b)):
        return math.inf
    return (_apart(a, b) - 1) * 100


class Doubts:
    """What is doubted of each dataset, shared by all workers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def of(self, dataset: Dataset) -> dict[str, Doubt]:
        """The doubts of a dataset, by coin."""
        raw = self._redis.get(_key(dataset))
        return {} if raw is None else {coin: Doubt(**facts) for coin, facts in json.loads(raw).items()}

    def keep(self, dataset: Dataset, doubts: Mapping[str, Doubt]) -> None:
        """Replace them."""
        if doubts:
            raw = json.dumps({coin: asdict(doubt) for coin, doubt in doubts.items()})
            self._redis.set(_key(dataset), raw, px=BELIEVED_MS + DOUBTED_MS)
        else:
            self._redis.delete(_key(dataset))


def _key(dataset: Dataset) -> str:
    return f"spot:doubts:{dataset.name}"
