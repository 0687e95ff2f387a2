"""Implausible rows are dropped and counted; an answer with mostly implausible rows is refused.

A row is implausible without an id, with a price that is no finite number above zero, or with a coin's price more than
`FACTOR` times above or below the last accepted one, if that is younger than `BELIEVED_MS`. Coins are redenominated,
though: a price level that was seen for `DOUBTED_MS`, or that two sources agree on, is accepted. Redis stores the doubts
of each dataset meanwhile.
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
from providers.pipelines import Commands
from providers.stored import record_of

#: The factor by which a price may move between two accepted values, up or down.
FACTOR = 1_000.0
#: The age up to which the last accepted price is compared with a new one.
BELIEVED_MS = 3_600_000
#: The time after which a doubted level is accepted.
DOUBTED_MS = 600_000
#: Prices within this factor are of the same level.
SAME_LEVEL = 2.0
#: An answer is refused when this many of its rows, and more than half, are implausible.
MANY = 3


class Before(Protocol):
    """The snapshot that is in place: its rows, and when they were fetched (epoch ms), from any provider."""

    @property
    def simulated(self) -> bool: ...

    @property
    def rows(self) -> Sequence[Row]: ...
    @property
    def fetched_at(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Doubt:
    """A coin whose price is not accepted: the last accepted price and its time, the new level, since when it is seen,
    and its source. Times are epoch ms."""

    believed: float
    believed_at: int
    level: float
    since: int
    source: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The accepted rows of an answer, the number of dropped ones, and the doubts from now on, by coin."""

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
    """Pick the plausible rows. Pure. BadPayload when most are implausible."""
    sound = [row for row in rows if _sound(dataset.traits, row)]
    accepted, doubted = _compared(_last(before, doubts, now_ms), doubts, sound, source, now_ms)
    seen = {row.get("id") for row in sound}
    # A coin that is missing from this answer may be in the next.
    doubted |= {
        coin: doubt for coin, doubt in doubts.items() if coin not in seen and now_ms - doubt.believed_at < BELIEVED_MS
    }
    dropped = len(rows) - len(accepted)
    if dropped >= MANY and dropped * 2 > len(rows):
        raise BadPayload(f"{dropped} of {len(rows)} rows cannot be true")
    return Judged(accepted, dropped, doubted)


def _sound(traits: Traits, row: Row) -> bool:
    if not row.get(traits.key):
        return False
    return all(_positive(row[name]) for name in traits.positive if row.get(name) is not None)


def _positive(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value) and value > 0


def _last(before: Before | None, doubts: Mapping[str, Doubt], now_ms: int) -> dict[str, tuple[float, int]]:
    """By coin, the last accepted price and its time; of a doubted coin, which is in no snapshot, the doubt has them."""
    prices = {coin: (doubt.believed, doubt.believed_at) for coin, doubt in doubts.items()}
    if before is not None:
        prices |= {
            row["id"]: (row["price"], before.fetched_at)
            for row in before.rows
            if isinstance(row.get("id"), str) and _positive(row.get("price"))
        }
    return {coin: (price, at) for coin, (price, at) in prices.items() if now_ms - at < BELIEVED_MS}


def _compared(
    last: Mapping[str, tuple[float, int]],
    doubts: Mapping[str, Doubt],
    rows: Iterable[Row],
    source: str,
    now_ms: int,
) -> tuple[list[Row], dict[str, Doubt]]:
    accepted: list[Row] = []
    doubted: dict[str, Doubt] = {}
    for row in rows:
        price, coin = row.get("price"), str(row.get("id"))
        if price is None or coin not in last or _apart(price, last[coin][0]) <= FACTOR:
            accepted.append(row)
            continue
        doubt = doubts.get(coin)
        if doubt is None or _apart(price, doubt.level) > SAME_LEVEL:
            doubt = Doubt(*last[coin], price, now_ms, source)
        if doubt.source != source or now_ms - doubt.since >= DOUBTED_MS:
            accepted.append(row)
        else:
            doubted[coin] = doubt
    return accepted, doubted


def _apart(a: float, b: float) -> float:
    return max(a / b, b / a) if a and b else math.inf


def disagreement(a: float, b: float) -> float:
    """The percentage by which the larger of two prices exceeds the smaller; infinite when one is no price. Pure.

    `SPOT_DISAGREE_PERCENT` is the limit.
    """
    if not (_positive(a) and _positive(b)):
        return math.inf
    return (_apart(a, b) - 1) * 100


class Doubts:
    """The doubts of each dataset, shared by all workers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def of(self, dataset: Dataset) -> dict[str, Doubt]:
        """The doubts of a dataset, by coin."""
        return self.known(dataset).run(self._redis)

    @staticmethod
    def known(dataset: Dataset) -> Commands[dict[str, Doubt]]:
        """The same as a part of a round trip."""

        def doubts(answers: Sequence[Any]) -> dict[str, Doubt]:
            raw = answers[0]
            return {} if raw is None else {coin: record_of(Doubt, facts) for coin, facts in json.loads(raw).items()}

        return Commands([("GET", _key(dataset))], doubts)

    def keep(self, dataset: Dataset, doubts: Mapping[str, Doubt]) -> None:
        """Replace them."""
        if doubts:
            raw = json.dumps({coin: asdict(doubt) for coin, doubt in doubts.items()})
            self._redis.set(_key(dataset), raw, px=BELIEVED_MS + DOUBTED_MS)
        else:
            self._redis.delete(_key(dataset))


def _key(dataset: Dataset) -> str:
    return f"spot:doubts:{dataset.name}"
