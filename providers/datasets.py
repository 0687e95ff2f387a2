"""The datasets that providers fill: their names, and the shape of their rows. Pure; shared by both apps.

A dataset's name is its identity everywhere: in Redis, in tasks, in logs.

====================  =============================================  =======================================
kind                  name                                           rows
====================  =============================================  =======================================
markets               ``markets:usd`` (coins 1-500 by market cap),   one dict a coin, `COIN_FIELDS`
                      ``markets:usd:2`` (501-1000), ...
quotes                ``quotes:usd``: coins asked for by id          one dict a coin, `COIN_FIELDS`
candles               ``candles:bitcoin:usd:30``                     one dict a candle, `CANDLE_FIELDS`
currencies            ``currencies``                                 ``{"id": "usd"}``
coins                 ``coins``                                      ``{"id", "symbol", "name"}``
assets                ``assets:NAME``: what that provider lists      one dict an asset, `ASSET_FIELDS`
category              ``category:layer-1``: who belongs to it, a     ``{"id": "bitcoin"}``
                      key of `CATEGORIES`
listings              ``listings``: announcements of exchanges       one dict each, `LISTING_FIELDS`
onchain               ``onchain:kline.14.0xab….1m``: a provider's    one dict an event, `ONCHAIN_FIELDS`
                      channel, platform, address and interval
====================  =============================================  =======================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["markets", "quotes", "candles", "currencies", "coins", "assets", "category", "listings", "onchain"]
Row = dict[str, Any]

#: Coins in one block of a `markets` dataset: two upstream pages of 250.
BLOCK = 500
#: Price-change windows, as a provider and our parameters spell them.
WINDOWS = ("1h", "24h", "7d", "14d", "30d", "200d", "1y")
#: Candle ranges in days that exist upstream; a wish in between is served from the next longer one.
CANDLE_RANGES = (1, 7, 14, 30, 90, 180, 365)

#: A coin row. Numbers are float, int or None (the provider has no value), never NaN; `price_change_*` are percentages
#: (2.34 means 2.34 %); `symbol` is upper case and not unique; `sparkline` is a list of prices, oldest first, hourly
#: over seven days, or None; `last_updated` is epoch milliseconds or None.
COIN_FIELDS = (
    "id", "symbol", "name", "logo", "price", "market_cap", "market_cap_rank", "fully_diluted_valuation", "volume_24h",
    "high_24h", "low_24h", *(f"price_change_{window}" for window in WINDOWS), "circulating_supply", "total_supply",
    "max_supply", "ath", "atl", "sparkline", "last_updated",
)  # fmt: skip
#: A candle row: `timestamp` is the OPEN time in epoch milliseconds; `volume` what `meta["volume_basis"]` says, or None.
CANDLE_FIELDS = ("timestamp", "open", "high", "low", "close", "volume")
#: An asset as a provider lists it: `foreign_id` is that provider's own, the others may be "". `coin` is our id for it
#: where the provider says it itself; `contracts` are addresses, lower case.
ASSET_FIELDS = ("foreign_id", "symbol", "name", "slug", "coin", "contracts")
#: An announcement: `id` is ours, the same however often it arrives; `tickers` is a list, upper case; times are epoch
#: milliseconds or None; `exchange` and `type` as the provider writes them, lower case.
LISTING_FIELDS = (
    "id", "exchange", "type", "title", "tickers", "published_at", "detected_at", "received_at", "source",
)  # fmt: skip
#: An on-chain event: `id` tells repetitions apart, `at` is epoch milliseconds, `data` the provider's payload.
ONCHAIN_FIELDS = ("id", "at", "data")
#: What coins are grouped by: our name of each category, and how people read it. Upstream many a coin is in several;
#: here it belongs to the first of these that has it, so what says most about a coin stands before what says little.
CATEGORIES = {
    "memes": "Memes",
    "gaming": "Gaming",
    "ai": "AI",
    "privacy": "Privacy",
    "oracles": "Oracles",
    "layer-2": "Layer 2",
    "stablecoins": "Stablecoins",
    "defi": "DeFi",
    "exchange-tokens": "Exchange tokens",
    "layer-1": "Layer 1",
    "real-world-assets": "Real-world assets",
}
#: The on-chain channels that can be relayed.
ONCHAIN_CHANNELS = (
    "token_agg_event", "transaction", "liquidity_event", "kline", "token_metric", "pool_metric", "unique_trader",
    "holders_metrics", "holder_wallet_update",
)  # fmt: skip

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CURRENCY = re.compile(r"[a-z0-9]{2,10}")
_PROVIDER = re.compile(r"[a-z][a-z0-9_]{1,39}")
_TOPIC = re.compile(rf"({'|'.join(ONCHAIN_CHANNELS)})\.([0-9]{{1,9}})\.([A-Za-z0-9]{{8,100}})(\.[0-9]{{1,3}}[smhdw])?")


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset by its parts; `name` and `parse` are inverse to each other."""

    kind: Kind
    currency: str = ""
    coin: str = ""
    days: int = 0
    block: int = 1
    topic: str = ""  # of assets: the provider; of category: its name; of onchain: channel.platform.address[.interval]

    @property
    def name(self) -> str:
        """The dataset's name, as in the table above."""
        if self.kind == "markets":
            return f"markets:{self.currency}" + (f":{self.block}" if self.block > 1 else "")
        if self.kind == "quotes":
            return f"quotes:{self.currency}"
        if self.kind == "candles":
            return f"candles:{self.coin}:{self.currency}:{self.days}"
        return f"{self.kind}:{self.topic}" if self.topic else self.kind

    @classmethod
    def parse(cls, name: str) -> Dataset:
        """The dataset of that name. ValueError when there is none: names come from Redis and task arguments."""
        kind, *rest = name.split(":")
        match kind, rest:
            case "markets", [currency]:
                made = cls("markets", currency)
            case "markets", [currency, block]:
                made = cls("markets", currency, block=int(block))
            case "quotes", [currency]:
                made = cls("quotes", currency)
            case "candles", [coin, currency, days]:
                made = cls("candles", currency, coin=coin, days=int(days))
            case (("currencies" | "coins" | "listings"), []):
                made = cls(kind)
            case (("assets" | "category" | "onchain"), [topic]):
                made = cls(kind, topic=topic)
            case _:
                raise ValueError(f"{name!r} names no dataset")
        if made.name != name or not made._sane():
            raise ValueError(f"{name!r} names no dataset")
        return made

    def _sane(self) -> bool:
        if self.kind == "category":
            return self.topic in CATEGORIES
        if self.kind in ("assets", "onchain"):
            return bool((_PROVIDER if self.kind == "assets" else _TOPIC).fullmatch(self.topic))
        currency_ok = self.kind in ("currencies", "coins", "listings") or _CURRENCY.fullmatch(self.currency)
        coin_ok = self.kind != "candles" or (_ID.fullmatch(self.coin) and self.days in CANDLE_RANGES)
        return bool(currency_ok and coin_ok and self.block >= 1)


#: The source of lists that ship with Spot.
BUNDLED = "bundled"
#: The lists that currencies and coins are held against before anything is asked about them.
CURRENCIES, COINS = Dataset("currencies"), Dataset("coins")
#: Who belongs to each category, in the order of `CATEGORIES`.
MEMBERS = tuple(Dataset("category", topic=name) for name in CATEGORIES)
#: The announcements of exchanges.
LISTINGS = Dataset("listings")
#: What comes by stream only: nobody polls it.
STREAMED: frozenset[Kind] = frozenset({"listings", "onchain"})


def is_coin_id(text: str) -> bool:
    """Whether the text has the form of a coin id: nothing else may come near a URL. Membership is checked besides."""
    return _ID.fullmatch(text) is not None and text not in (".", "..")


def is_currency(text: str) -> bool:
    """Whether the text has the form of a currency code, as providers write it: lower case."""
    return _CURRENCY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a provider answered, normalised.

    `as_of` is the provider's own time of the data in epoch milliseconds (of its oldest part; None when it does not
    say), `fetched_at` ours. `source` is the provider's name, `label` how people write it, `calls` what it cost.
    `settle_ms` is how much older than its `as_of` the provider's answers may ordinarily be (its own cache).
    `meta` holds what only this kind has: for candles `interval_ms` and `volume_basis`; for markets `universe`, the
    number of coins the provider says it ranks.
    """

    dataset: Dataset
    rows: list[Row]
    as_of: int | None
    fetched_at: int
    source: str
    label: str
    simulated: bool
    calls: int
    settle_ms: int = 0
    meta: dict[str, Any] = field(default_factory=dict)
