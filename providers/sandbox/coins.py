"""The coins of the simulated market, and the motion of each kind of coin.

`coins.jsonl` has one JSON array per line: id, symbol, name, price level in USD (of a copy: as a multiple of its
original), circulating, total and maximum supply, daily volume as a part of the market cap, kind, and an optional note.
Ids, symbols, names and orders of magnitude are facts of the spring of 2026; all motion is invented.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import orjson

_FILE = Path(__file__).with_name("coins.jsonl")
#: The time at which prices equal the levels of the file: 2026-05-03T00:00Z in epoch milliseconds.
LEVEL_AT = 1_777_766_400_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Kind:
    """The motion of a kind of coin: daily standard deviations, and the load on the common factor."""

    market: float
    sector: float
    own: float
    drift: float = 0.0  # yearly growth, for coins that bear interest


#: The daily standard deviation of the market factor.
MARKET_DAILY = 0.019
KINDS = {
    "bitcoin": Kind(1.0, 0.0, 0.004),
    "ether": Kind(1.2, 0.0, 0.011),
    "layer1": Kind(1.2, 0.010, 0.021),
    "defi": Kind(1.25, 0.014, 0.026),
    "ai": Kind(1.35, 0.018, 0.032),
    "meme": Kind(1.5, 0.022, 0.042),
    "game": Kind(1.2, 0.014, 0.028),
    "storage": Kind(1.15, 0.010, 0.023),
    "privacy": Kind(0.8, 0.018, 0.024),
    "payments": Kind(1.0, 0.008, 0.017),
    "exchange": Kind(0.6, 0.006, 0.010),
    "fan": Kind(0.8, 0.014, 0.022),
    "alt": Kind(1.1, 0.0, 0.034),
    "stock": Kind(0.35, 0.008, 0.012),
    "metal": Kind(0.05, 0.008, 0.001),
    "fund": Kind(0.0, 0.0, 0.0, drift=0.04),
    "peg": Kind(0.0, 0.0, 0.0),
    "wrapped": Kind(0.0, 0.0, 0.0),
    "bridged": Kind(0.0, 0.0, 0.0),
    "staked": Kind(0.0, 0.0, 0.0, drift=0.03),
}
#: Kinds that are tied to a currency or another coin, and their largest distance from it.
SPREADS = {"peg": 0.0006, "wrapped": 0.0004, "bridged": 0.0008, "staked": 0.0006}


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin. Supplies are None if unknown to the provider."""

    id: str
    symbol: str
    name: str
    level: float
    circulating: float | None
    total: float | None
    maximum: float | None
    turnover: float
    kind: str
    target: str = ""  # the currency of a peg, the id of the coin that a copy follows
    note: str = ""

    @property
    def hidden(self) -> bool:
        """Whether it is a claim on coins that are counted already: such are left out of the ranking."""
        return self.note == "hidden"

    @property
    def stale(self) -> bool:
        """Whether it is priced once in a few days only, and has no 24 h figures then."""
        return self.note == "stale"

    @property
    def relisted_days(self) -> int:
        """The largest age of a young coin in days; 0 for old coins.

        Young coins are listed again at this interval. With fixed dates, the market would soon have no young coins.
        """
        return int(self.note.removeprefix("young:")) if self.note.startswith("young:") else 0


def load() -> list[Coin]:
    """Every coin, as the file orders them."""
    return [_coin(*orjson.loads(line)) for line in _FILE.read_bytes().splitlines()]


def _coin(
    id_: str,
    symbol: str,
    name: str,
    level: float,
    circulating: float | None,
    total: float | None,
    maximum: float | None,
    turnover: float,
    kind: str,
    note: str = "",
) -> Coin:
    family, _, target = kind.partition(":")
    return Coin(id_, symbol, name, level, circulating, total, maximum, turnover, family, target, note)


def hostile(coins: list[Coin]) -> list[Coin]:
    """The same coins, two of them with names and a symbol that are markup: what upstream text must never become."""
    names = {"dogecoin": "<img src=x onerror=alert(1)>", "cardano": "</script><script>alert(2)</script>\"'"}
    return [
        replace(coin, name=names.get(coin.id, coin.name), symbol="<b>ada" if coin.id == "cardano" else coin.symbol)
        for coin in coins
    ]
