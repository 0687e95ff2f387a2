"""Streamed prices into polled rows: which tick is shown, and which is not believed.

The rules, in their order:

1. A tick that is not newer than its row is ignored: the poll's rows win until something newer comes.
2. A price that cannot be true (not above zero, or a thousand times off what is shown) is dropped and counted; of its
   other values those that cannot be (`providers.cells`).
3. A price further than `percent` from the one shown is disputed: kept back, counted and shown as such, until the poll
   comes to agree with it, or until the polled rows are older than they may be; from then on the stream is believed.
4. Of several sources the first in order is shown while it speaks; the others are held against what is shown.
5. Another company's stream gives a row its price and changes only. Market cap, volume and supply stay those of the
   poll, or ranks would jump to and fro with every poll.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from providers.cells import impossible
from providers.clean import ahead
from providers.datasets import COIN_FIELDS, WINDOWS, Row
from providers.plausible import FACTOR, disagreement
from providers.stream import Tick
from spot.ingest.ageing import aged

Count = Literal["disputed", "absurd"]
#: A source that has been silent about a coin for so long leaves it to the next one.
SILENT_MS = 45_000
#: A tick that old is forgotten.
FORGOTTEN_MS = 600_000
#: Disputed prices named in the meta.
_NAMED = 20
_ANYBODYS = frozenset({"price", *(f"price_change_{window}" for window in WINDOWS)})
_OWN = frozenset(COIN_FIELDS) - {"id", "symbol", "name", "logo", "sparkline", "last_updated"}


@dataclass(frozen=True, slots=True)
class Source:
    """Who streams: `order` says who is shown where several do, lowest first."""

    name: str
    label: str
    order: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """What the ticks are held against: rows and meta of the newest snapshot, who was polled, and whether that is young
    enough to be believed more than a stream. `at`: the time of rows without one of their own; `max_age_ms`: the age
    from which the snapshot is stale."""

    rows: Sequence[Row]
    meta: Mapping[str, Any]
    source: str
    fresh: bool
    at: int = 0
    max_age_ms: int = 0


@dataclass(slots=True)
class _Heard:
    values: Mapping[str, float | int]
    at: int
    received: int
    judged: bool = False


@dataclass(slots=True)
class _Shown:
    """What came of one look at all ticks."""

    rows: list[Row]
    by_source: dict[Source, list[int]] = field(default_factory=dict)
    disputed: list[dict[str, Any]] = field(default_factory=list)


class Board:
    """The newest tick of each coin of one dataset from each source.

    `hear` may be called while another thread calls `shown` or `counted`, and never waits for them: it writes into an
    inbox, which `shown` empties first. The lock is held for the moment of the exchange only.
    """

    def __init__(self, percent: float, currency: str = "usd") -> None:
        self._percent, self._currency = percent, currency
        self._inbox: dict[tuple[str, Source], _Heard] = {}
        self._heard: dict[str, dict[Source, _Heard]] = {}
        self._sources: set[str] = set()
        self._counts: dict[tuple[Count, str], Counter[str]] = {}
        self._lock = threading.Lock()

    @property
    def empty(self) -> bool:
        """Whether nothing has been heard for so long that nothing is left to show."""
        return not self._heard and not self._inbox

    def hear(self, source: Source, coin: str, tick: Tick, now_ms: int) -> None:
        """Take note of a tick about a coin (our id). Of several only the last is ever looked at."""
        heard = _Heard(tick.values, now_ms if tick.at is None else tick.at, now_ms)
        with self._lock:
            self._inbox[coin, source] = heard

    def shown(self, polled: Polled, now_ms: int) -> tuple[list[Row], dict[str, Any]] | None:
        """Rows and meta with what has been heard; None when they are as they were."""
        self._empty_inbox()
        self._forget(now_ms)
        places = {row["id"]: place for place, row in enumerate(polled.rows)}
        made = _Shown(list(polled.rows))
        for coin, sources in self._heard.items():
            if (place := places.get(coin)) is not None:
                self._show(coin, place, sources, polled, made, now_ms)
        meta = _meta(polled.meta, made, self._sources)
        same = meta == polled.meta and all(map(_is, made.rows, polled.rows))
        return None if same else (made.rows, meta)

    def counted(self) -> dict[tuple[Count, str], Counter[str]]:
        """How often what was not believed since the last call: by (`disputed` or `absurd`, source), then coin."""
        counts, self._counts = self._counts, {}
        return counts

    def recount(self, counts: Mapping[tuple[Count, str], Counter[str]]) -> None:
        """Take back counts that could not be stored: the next call of `counted` returns them."""
        for what, coins in counts.items():
            self._counts.setdefault(what, Counter()).update(coins)

    def _empty_inbox(self) -> None:
        with self._lock:
            inbox, self._inbox = self._inbox, {}
        for (coin, source), heard in inbox.items():
            self._sources.add(source.name)
            self._heard.setdefault(coin, {})[source] = heard

    def _forget(self, now_ms: int) -> None:
        for coin, sources in list(self._heard.items()):
            for source, heard in list(sources.items()):
                if now_ms - heard.received > FORGOTTEN_MS or ahead(heard.received, now_ms):
                    del sources[source]
            if not sources:
                del self._heard[coin]

    def _show(
        self, coin: str, place: int, sources: dict[Source, _Heard], polled: Polled, made: _Shown, now_ms: int
    ) -> None:
        """Put the best believable tick into the row; look at the others only to hold them against it."""
        before = made.rows[place]
        ranked = sorted(sources.items(), key=lambda one: (now_ms - one[1].received > SILENT_MS, one[0].order))
        taken = False
        for source, heard in ranked:
            if _is_in(heard, made.rows[place]):
                made.by_source.setdefault(source, []).append(heard.at)
                taken = True
            elif self._believed(coin, source, heard, before, polled, made) and not taken:
                names = _OWN if source.name == polled.source else _ANYBODYS
                values = {name: value for name, value in heard.values.items() if name in names}
                sound = self._sound(coin, source, heard, before, values)
                row = {**before, **sound, "last_updated": heard.at}
                (made.rows[place],) = aged([row], now_ms, polled.max_age_ms)  # a late tick leaves an old price stale
                made.by_source.setdefault(source, []).append(heard.at)
                taken = True

    def _believed(self, coin: str, source: Source, heard: _Heard, row: Row, polled: Polled, made: _Shown) -> bool:
        """Whether the tick may be shown. What may not is counted once."""
        price, shown = heard.values["price"], row["price"]
        if heard.at <= (row["last_updated"] or polled.at):
            return False
        apart = 0.0 if shown is None else disagreement(price, shown)
        if price <= 0 or apart > (FACTOR - 1) * 100:
            self._count("absurd", source, coin, heard)
            return False
        if polled.fresh and apart > self._percent:
            self._count("disputed", source, coin, heard)
            facts = {"price": price, "shown": shown, "percent": round(apart, 2)}
            made.disputed.append({"id": coin, "source": source.name, **facts})
            return False
        heard.judged = True
        return True

    def _sound(
        self, coin: str, source: Source, heard: _Heard, row: Row, values: Mapping[str, float | int]
    ) -> Mapping[str, float | int]:
        """The tick's values without those that cannot be, which are counted once; the row keeps its own there."""
        if wrong := set(impossible({**row, **values}, self._currency)) & values.keys():
            heard.judged = False
            self._count("absurd", source, coin, heard)
        return {name: value for name, value in values.items() if name not in wrong}

    def _count(self, what: Count, source: Source, coin: str, heard: _Heard) -> None:
        if not heard.judged:
            heard.judged = True
            self._counts.setdefault((what, source.name), Counter())[coin] += 1


def _is_in(heard: _Heard, row: Row) -> bool:
    """Whether it is this tick that the row shows."""
    return bool(row["last_updated"] == heard.at and row["price"] == heard.values["price"])


def _is(one: Row, other: Row) -> bool:
    return one is other


def _meta(before: Mapping[str, Any], made: _Shown, ours: set[str]) -> dict[str, Any]:
    """The meta with who streams and what is disputed. What sources have put there that another process hears stays."""
    meta = {name: value for name, value in before.items() if name not in ("streams", "disputed")}
    streams = [
        {
            "source": source.name,
            "label": source.label,
            "url": source.url or None,
            "coins": len(times),
            "as_of": max(times),
        }
        for source, times in sorted(made.by_source.items(), key=lambda one: one[0].order)
    ]
    streams += [one for one in before.get("streams", ()) if one["source"] not in ours]
    disputed = [*made.disputed, *(one for one in before.get("disputed", ()) if one["source"] not in ours)]
    return {
        **meta,
        **({"streams": streams} if streams else {}),
        **({"disputed": disputed[:_NAMED]} if disputed else {}),
    }
