"""The simulated market: the price of every coin at any time, as a pure function of (seed, coin, time).

There is no simulation step: the same formula gives the price of last year and of this second, so that sparklines,
change windows, candles and charts agree by construction. All state is a cache. All times are epoch milliseconds; arrays
are indexed by coin in the order of `Market.coins`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from providers.currencies import COINS, PER_USD
from providers.sandbox.coins import DAY_MS, KINDS, LEVEL_AT, MARKET_DAILY, SPREADS, Coin, load
from providers.sandbox.noise import Floats, Ints, Noise, fraction, key, swell, tether, walk

HOUR_MS = 3_600_000
#: Highs, lows and candles use the prices at these marks, and the present price.
MARK_MS = 300_000
WINDOWS = (
    {"1h": HOUR_MS} | {f"{days}d": days * DAY_MS for days in (7, 14, 30, 200)} | {"24h": DAY_MS, "1y": 365 * DAY_MS}
)
_YEAR_MS = 365.25 * DAY_MS
_SECTORS = sorted(kind for kind, moves in KINDS.items() if moves.sector)
_MOST_MARKS = 1500
#: A day's marks at once would take 20 MB on the way.
_MARKS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Quotes:
    """The whole market at one time in one currency; NaN where the provider would have no value.

    `changes` are percentages by window; `rank` is 0 for coins outside the ranking; `rate` is units per US dollar;
    `since`: when each coin was listed; `updated`: the time of its values.
    """

    at: int
    currency: str
    rate: float
    price: Floats
    market_cap: Floats
    volume: Floats
    high: Floats
    low: Floats
    changes: dict[str, Floats]
    rank: Ints
    since: Ints
    updated: Ints


class Market:
    """The market of a seed."""

    def __init__(self, seed: int = 7, coins: Sequence[Coin] | None = None) -> None:
        self.seed = seed
        self.coins = list(load() if coins is None else coins)
        self.index = {coin.id: row for row, coin in enumerate(self.coins)}
        self.supply = np.array([np.nan if coin.circulating is None else coin.circulating for coin in self.coins])
        self._rows = np.arange(len(self.coins))
        self._parents = np.array([self.index.get(coin.target, -1) for coin in self.coins])
        self._level = np.log([coin.level for coin in self.coins])
        # Coins of unknown supply trade as if their market cap were two million dollars.
        supply = np.where(np.isnan(self.supply), 2e6 / np.exp(self._level), self.supply)
        self._usual = np.array([coin.turnover for coin in self.coins]) * supply
        self._drift = np.array([0.0 if coin.stale else KINDS[coin.kind].drift for coin in self.coins])
        self._period = np.array([coin.relisted_days * DAY_MS for coin in self.coins], dtype=np.int64)
        self._phase = np.array(
            [key(seed, coin.id, "listed") % (coin.relisted_days * DAY_MS or 1) for coin in self.coins]
        )
        self._lag = np.array([150 + key(seed, coin.id, "lag") % 2650 for coin in self.coins])
        self._listed = np.array([not coin.hidden and coin.circulating is not None for coin in self.coins])
        self._stale = np.array([coin.stale for coin in self.coins])
        self._make_noise()
        self._at_level = np.zeros(len(self.coins))
        self._at_level = self._motion(np.array([LEVEL_AT]), self._rows)[:, 0]
        self._marks: dict[int, Floats] = {}
        self._marking = threading.Lock()
        self.day_range = lru_cache(maxsize=16)(self._day_range)
        self.week = lru_cache(maxsize=4)(self._week)  # 0.9 MB each
        self.quotes = lru_cache(maxsize=16)(self._quotes)

    def _make_noise(self) -> None:
        seed, coins = self.seed, self.coins
        self._factors = Noise(
            [key(seed, "factor", name) for name in ("market", *_SECTORS)],
            np.stack([walk(MARKET_DAILY)] + [walk(KINDS[name].sector) for name in _SECTORS]),
        )
        self._loads = np.zeros((len(coins), 1 + len(_SECTORS)))
        own = np.zeros((len(coins), len(walk(0.0))))
        for row, coin in enumerate(coins):
            moves, beta, size = KINDS[coin.kind], fraction(seed, coin.id, "beta"), fraction(seed, coin.id, "size")
            self._loads[row, 0] = moves.market * (1 if coin.kind == "bitcoin" else 0.8 + 0.4 * beta)
            if moves.sector:
                self._loads[row, 1 + _SECTORS.index(coin.kind)] = 0.7 + 0.6 * beta
            if not coin.stale:
                own[row] = _hovering(coin, size) if coin.kind in SPREADS else walk(moves.own * (0.65 + 0.9 * size))
        self._own = Noise([key(seed, coin.id, "price") for coin in coins], own)
        interest = np.stack(
            [swell(0.0 if coin.stale else 0.3 + 0.3 * fraction(seed, coin.id, "interest")) for coin in coins]
        )
        self._interest = Noise([key(seed, coin.id, "volume") for coin in coins], interest)
        self._crowd = Noise([key(seed, "volume")], swell(0.3)[None, :])

    # --- prices and volumes at any time -------------------------------------------------------------------------------
    def prices(self, times: Sequence[int] | Ints, rows: Ints | None = None, currency: str = "usd") -> Floats:
        """Prices in the currency, shape (rows, times); of all coins, or of `rows`."""
        at, rows = np.asarray(times, dtype=np.int64), self._rows if rows is None else rows
        dollars = np.exp(self._logs(at, rows))
        return dollars if currency == "usd" else dollars * self.rates(currency, at)

    def volumes(self, times: Sequence[int] | Ints, rows: Ints | None = None, currency: str = "usd") -> Floats:
        """The volume of the 24 hours before each time, in the currency; shape as `prices`."""
        at, rows = np.asarray(times, dtype=np.int64), self._rows if rows is None else rows
        return self.prices(at, rows, currency) * self._traded(at, rows)

    def _traded(self, times: Ints, rows: Ints) -> Floats:
        """The number of coins traded in the 24 hours before each time."""
        activity = self._interest.at(times, rows) + self._crowd.at(times, np.array([0]))
        return self._usual[rows][:, None] * np.exp(activity)

    def rates(self, currency: str, times: Ints) -> Floats:
        """Units of the currency for one US dollar at each time. Raises `KeyError` for an unknown currency."""
        if currency in PER_USD:
            return np.full(len(times), PER_USD[currency])
        coin, units = COINS[currency]
        return units / np.exp(self._logs(times, np.array([self.index[coin]])))[0]

    def _logs(self, times: Ints, rows: Ints) -> Floats:
        logs = self._motion(times, rows) + (self._level - self._at_level)[rows][:, None]
        copies = np.flatnonzero(self._parents[rows] >= 0)
        if len(copies):
            originals, where = np.unique(self._parents[rows[copies]], return_inverse=True)
            logs[copies] += self._logs(times, originals)[where]
        return logs

    def _motion(self, times: Ints, rows: Ints) -> Floats:
        """The distance of the log price from its level, shape (rows, times), up to a constant for each coin."""
        loads = self._loads[rows]
        used = np.flatnonzero(loads.any(axis=0))
        years = (times - LEVEL_AT) / _YEAR_MS
        return (
            self._own.at(times, rows)
            + loads[:, used] @ self._factors.at(times, used)
            + self._drift[rows][:, None] * years
        )

    def listed_since(self, at: int) -> Ints:
        """When each coin was listed, as of that time; 0 except for young coins."""
        period = np.maximum(self._period, 1)
        return np.where(self._period > 0, (at - self._phase) // period * period + self._phase, 0)

    # --- the market at one time ---------------------------------------------------------------------------------------
    def _quotes(self, at: int, currency: str) -> Quotes:
        """The quotes of that time. Raises `KeyError` for an unknown currency."""
        times = [at, *(at - span for span in WINDOWS.values())]
        prices = self.prices(times, currency=currency)
        price, since = prices[:, 0], self.listed_since(at)
        changes = {}
        for column, (window, span) in enumerate(WINDOWS.items(), start=1):
            valid = (since <= at - span) & ~(self._stale & (span <= DAY_MS))
            changes[window] = np.where(valid, (price / prices[:, column] - 1) * 100, np.nan)
        last_mark = at // MARK_MS * MARK_MS
        high, low = self.day_range(last_mark, currency)
        day = ~np.isnan(changes["24h"])
        return Quotes(
            at=at,
            currency=currency,
            rate=float(self.rates(currency, np.array([at]))[0]),
            price=price,
            market_cap=price * self.supply,
            volume=price * self._traded(np.array([at]), self._rows)[:, 0],
            high=np.where(day, np.maximum(high, price), np.nan),
            low=np.where(day, np.minimum(low, price), np.nan),
            changes=changes,
            rank=self.ranks(last_mark),
            since=since,
            updated=self._updated(at),
        )

    def ranks(self, mark: int) -> Ints:
        """Ranks by market cap at that mark, 0 for coins outside the ranking. Like the provider's, they lag behind."""
        caps = np.where(self._listed, self.marks([mark])[:, 0] * self.supply, -1.0)
        ranks = np.zeros(len(self.coins), dtype=np.int64)
        ranks[np.argsort(-caps, kind="stable")] = np.arange(1, len(caps) + 1)
        return np.where(self._listed, ranks, 0)

    def _updated(self, at: int) -> Ints:
        """When each coin was last updated: within three seconds, or for stale coins more than a day ago."""
        rare = (at - 26 * HOUR_MS - self._lag * 10_000) // (5 * DAY_MS) * (5 * DAY_MS) + self._lag * 10_000
        return np.where(self._stale, rare, at - self._lag)

    def marks(self, times: Sequence[int]) -> Floats:
        """USD prices of all coins at those marks (multiples of MARK_MS), computed once each."""
        with self._marking:
            if missing := [time for time in times if time not in self._marks]:
                for start in range(0, len(missing), _MARKS_AT_ONCE):
                    part = missing[start : start + _MARKS_AT_ONCE]
                    for time, column in zip(part, self.prices(part).T, strict=True):
                        self._marks[time] = np.ascontiguousarray(column)
            prices = np.stack([self._marks[time] for time in times], axis=1)
            while len(self._marks) > _MOST_MARKS:
                self._marks.pop(next(iter(self._marks)))
        return prices

    def _in_currency(self, times: Sequence[int], currency: str) -> Floats:
        return self.marks(times) * self.rates(currency, np.asarray(times, dtype=np.int64))

    def _day_range(self, last_mark: int, currency: str) -> tuple[Floats, Floats]:
        """Highest and lowest price at the marks of the 24 hours up to `last_mark`."""
        prices = self._in_currency(range(last_mark - DAY_MS + MARK_MS, last_mark + 1, MARK_MS), currency)
        return prices.max(axis=1), prices.min(axis=1)

    def _week(self, last_hour: int, currency: str) -> Floats:
        """Prices at the 168 full hours up to `last_hour`, oldest first: the sparkline, shape (coins, 168)."""
        return np.ascontiguousarray(
            self._in_currency(range(last_hour - 167 * HOUR_MS, last_hour + 1, HOUR_MS), currency)
        )

    def sparkline(self, row: int, quotes: Quotes) -> Floats:
        """The coin's hourly prices of the last seven days, oldest first; fewer for a coin that is younger than that."""
        last_hour = quotes.at // HOUR_MS * HOUR_MS
        since = int(quotes.since[row])
        first = max(0, 167 - (last_hour - since) // HOUR_MS) if since else 0
        return self.week(last_hour, quotes.currency)[row, first:]


def _hovering(coin: Coin, luck: float) -> Floats:
    """The walk of a copy or a pegged coin; larger coins stay closer to their target."""
    large = coin.level * (coin.circulating or 0) > 1e10
    return tether(SPREADS[coin.kind] * (0.4 if large else 0.7 + 0.8 * luck))
