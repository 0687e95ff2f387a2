"""Streamed prices into polled rows: which tick is shown, and which is rejected.

The rules, in their order:

1. A tick that is not newer than its row is ignored.
2. An impossible price (not above zero, or a thousand times off the one shown) is dropped and counted; so are other
   impossible values of a tick (`providers.cells`).
3. A price further than `percent` from the one shown is disputed: not shown, counted and listed in the meta, until the
   poll agrees with it, or until the polled rows are stale; from then on the stream's price is shown.
4. Of several sources the first in order is shown while it is not silent; the others are compared with it.
5. The stream of another provider than the poll's changes price and price changes only. Market cap, volume and supply
   stay those of the poll, or ranks would change with every poll.
6. Figures that belong to the poll's price (`_OF_THE_PRICE`) are gone with it; readers derive them from the new one.
"""

from __future__ import annotations

import operator
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
#: After this silence of a source about a coin, the next source is shown.
SILENT_MS = 45_000
#: The age at which ticks are dropped.
FORGOTTEN_MS = 600_000
#: Disputed prices named in the meta.
_NAMED = 20
_ANYBODYS = frozenset({"price", *(f"price_change_{window}" for window in WINDOWS)})
_OF_THE_PRICE = ("price_difference_24h", "ath_change_percentage", "atl_change_percentage")
_OWN = frozenset(COIN_FIELDS) - {"id", "symbol", "name", "logo", "sparkline", "last_updated"}


@dataclass(frozen=True, slots=True)
class Source:
    """A provider that streams. Of several the one with the lowest `order` is shown."""

    name: str
    label: str
    order: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """The newest snapshot, with which ticks are compared: its rows, meta and source. `fresh`: it is young enough to
    outweigh a stream. `at`: the time of rows without one of their own; `max_age_ms`: the age from which it is stale."""

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
    """The result of comparing all ticks with the rows."""

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
        """Whether there are no ticks, because none came for long."""
        return not self._heard and not self._inbox

    def hear(self, source: Source, coin: str, tick: Tick, now_ms: int) -> None:
        """Take in a tick of a coin (our id); it replaces an earlier one."""
        heard = _Heard(tick.values, now_ms if tick.at is None else tick.at, now_ms)
        with self._lock:
            self._inbox[coin, source] = heard

    def shown(self, polled: Polled, now_ms: int) -> tuple[list[Row], dict[str, Any]] | None:
        """Rows and meta with the ticks in them; None when nothing changes."""
        self._empty_inbox()
        self._forget(now_ms)
        places = {row["id"]: place for place, row in enumerate(polled.rows)}
        result = _Shown(list(polled.rows))
        for coin, sources in self._heard.items():
            if (place := places.get(coin)) is not None:
                self._show(coin, place, sources, polled, result, now_ms)
        meta = _meta(polled.meta, result, self._sources)
        same = meta == polled.meta and all(map(operator.is_, result.rows, polled.rows))
        return None if same else (result.rows, meta)

    def counted(self) -> dict[tuple[Count, str], Counter[str]]:
        """The rejected prices since the last call: by (`disputed` or `absurd`, source), then coin."""
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
        self, coin: str, place: int, sources: dict[Source, _Heard], polled: Polled, result: _Shown, now_ms: int
    ) -> None:
        """Put the first acceptable tick into the row; the others are only compared with it."""
        before = result.rows[place]
        ranked = sorted(sources.items(), key=lambda one: (now_ms - one[1].received > SILENT_MS, one[0].order))
        taken = False
        for source, heard in ranked:
            row = result.rows[place]
            if row["last_updated"] == heard.at and row["price"] == heard.values["price"]:  # shown already
                result.by_source.setdefault(source, []).append(heard.at)
                taken = True
            elif self._acceptable(coin, source, heard, before, polled, result) and not taken:
                names = _OWN if source.name == polled.source else _ANYBODYS
                values = {name: value for name, value in heard.values.items() if name in names}
                sound = self._sound(coin, source, heard, before, values)
                row = {**before, **dict.fromkeys(_OF_THE_PRICE), **sound, "last_updated": heard.at}
                (result.rows[place],) = aged([row], now_ms, polled.max_age_ms)  # a late tick leaves an old price stale
                result.by_source.setdefault(source, []).append(heard.at)
                taken = True

    def _acceptable(self, coin: str, source: Source, heard: _Heard, row: Row, polled: Polled, result: _Shown) -> bool:
        """Whether the tick may be shown. A rejected one is counted once."""
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
            result.disputed.append({"id": coin, "source": source.name, **facts})
            return False
        heard.judged = True
        return True

    def _sound(
        self, coin: str, source: Source, heard: _Heard, row: Row, values: Mapping[str, float | int]
    ) -> Mapping[str, float | int]:
        """The tick's possible values. The row keeps its own in place of impossible ones, which are counted once."""
        if wrong := set(impossible({**row, **values}, self._currency)) & values.keys():
            heard.judged = False
            self._count("absurd", source, coin, heard)
        return {name: value for name, value in values.items() if name not in wrong}

    def _count(self, what: Count, source: Source, coin: str, heard: _Heard) -> None:
        if not heard.judged:
            heard.judged = True
            self._counts.setdefault((what, source.name), Counter())[coin] += 1


def _meta(before: Mapping[str, Any], result: _Shown, ours: set[str]) -> dict[str, Any]:
    """The meta with the streams and the disputed prices. Entries of sources that another process receives stay."""
    meta = {name: value for name, value in before.items() if name not in ("streams", "disputed")}
    streams = [
        {
            "source": source.name,
            "label": source.label,
            "url": source.url or None,
            "coins": len(times),
            "as_of": max(times),
        }
        for source, times in sorted(result.by_source.items(), key=lambda one: one[0].order)
    ]
    streams += [stream for stream in before.get("streams", ()) if stream["source"] not in ours]
    disputed = result.disputed + [price for price in before.get("disputed", ()) if price["source"] not in ours]
    return {
        **meta,
        **({"streams": streams} if streams else {}),
        **({"disputed": disputed[:_NAMED]} if disputed else {}),
    }
