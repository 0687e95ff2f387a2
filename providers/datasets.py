"""The datasets that providers fill: their kinds, their names, and the shape of their rows. Pure; shared by both apps.

A dataset's name is its identity everywhere: in Redis, in tasks, in logs. Every difference between two kinds is an
attribute of their rows in `KINDS`; no other code compares kinds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from providers.facts import Facts

#: The names of the kinds, the keys of `KINDS`.
Kind = Literal[
    "markets", "quotes", "candles", "listings", "onchain", "coins", "currencies", "category", "assets", "document"
]
Row = dict[str, Any]

#: Coins in one block of a `markets` dataset: two upstream pages of 250.
BLOCK = 500
#: Price-change windows, as a provider and our parameters spell them.
WINDOWS = ("1h", "24h", "7d", "14d", "30d", "200d", "1y")
#: Candle ranges in days that exist upstream; any other range is cut from the next longer one.
CANDLE_RANGES = (1, 7, 14, 30, 90, 180, 365)

#: A coin row. Numbers are float, int or None (the provider has no value), never NaN; `price_change_*` are percentages
#: (2.34 means 2.34 %); `symbol` is upper case and not unique; `sparkline` is a list of prices, oldest first, hourly
#: over seven days, or None; `last_updated` is epoch milliseconds or None. From `price_difference_24h` on are figures
#: that CoinGecko's rows have and others leave None: amounts of money (`price_difference_24h`,
#: `market_cap_change_24h`), percentages, epoch milliseconds (`ath_date`, `atl_date`), and `roi` as
#: `{"times", "currency", "percentage"}`.
COIN_FIELDS = (
    "id", "symbol", "name", "logo", "price", "market_cap", "market_cap_rank", "fully_diluted_valuation", "volume_24h",
    "high_24h", "low_24h", *(f"price_change_{window}" for window in WINDOWS), "circulating_supply", "total_supply",
    "max_supply", "ath", "atl", "sparkline", "last_updated", "price_difference_24h", "market_cap_change_24h",
    "market_cap_change_percentage_24h", "ath_change_percentage", "ath_date", "atl_change_percentage", "atl_date", "roi",
    "market_cap_rank_with_rehypothecated",
)  # fmt: skip
#: A candle row: `timestamp` is the OPEN time in epoch milliseconds; `volume` what `meta["volume_basis"]` says, or None.
#: `points` is the part of a finer chart that falls into the candle, in the provider's order, or None: `[epoch
#: milliseconds, price, market cap, volume of 24 hours]`, where the last two may be None.
CANDLE_FIELDS = ("timestamp", "open", "high", "low", "close", "volume", "points")
#: An asset as a provider lists it: `foreign_id` is that provider's own, the others may be "". `coin` is our id if the
#: provider states it; `contracts` are addresses, lower case.
ASSET_FIELDS = ("foreign_id", "symbol", "name", "slug", "coin", "contracts")
#: An announcement: `id` is ours, the same however often it arrives; `tickers` is a list, upper case; times are epoch
#: milliseconds or None; `exchange` and `type` as the provider writes them, lower case.
LISTING_FIELDS = (
    "id", "exchange", "type", "title", "tickers", "published_at", "detected_at", "received_at", "source",
)  # fmt: skip
#: A document of a provider as it was answered: `id` is its name, `body` JSON text, `status` that of HTTP.
DOCUMENT_FIELDS = ("id", "status", "body")
#: An on-chain event: `id` is the same for the same event, `at` is epoch milliseconds, `data` the provider's payload.
ONCHAIN_FIELDS = ("id", "at", "data")
#: The categories of coins: our name of each, and its label. A coin that is in several upstream belongs to the first of
#: them here, so the most specific ones come first.
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
_BLOCK, _DAYS = re.compile("[1-9][0-9]*"), re.compile("|".join(map(str, CANDLE_RANGES)))
_CATEGORY = re.compile("|".join(CATEGORIES))
_CHANNEL = re.compile(
    rf"({'|'.join(ONCHAIN_CHANNELS)})\.([0-9]{{1,9}})\.([A-Za-z0-9]{{8,100}})(\.[0-9]{{1,3}}[smhdw])?"
)
_DOCUMENT = re.compile(r"(?=.{1,5000}\Z)[\w.~%-]+(/[\w.~%-]+)*(\?[\w.~%=&,-]+)?", re.ASCII)
#: Parts of a name that are numbers.
_NUMBERS = ("block", "days")
_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Everything in which one kind of dataset differs from another. Seconds, unless a name says otherwise."""

    label: str  # as the admin calls it
    fields: tuple[str, ...]  # of a row
    # --- the name
    parts: Mapping[str, re.Pattern[str]] = field(default_factory=dict)  # attributes of `Dataset`, and their forms
    # --- the rows
    key: str = "id"  # the field that tells rows apart
    positive: tuple[str, ...] = ()  # fields that are finite and above zero, or absent
    cells: Literal["", "coin", "candle"] = ""  # the checks of single values (`providers.cells`)
    aside: tuple[str, ...] = ()  # fields that are not decoded until somebody shows them
    coins: bool = False  # rows are priced coins: compared with the last prices, labelled with category and age
    coin_ids: bool = False  # ids of rows are coins, to be translated from a provider's own
    market: bool = False  # the coins by market cap, in blocks; refused when most of an answer is unreadable
    # --- what is fetched
    by_id: bool = False  # only the coins that clients ask for
    of_provider: bool = False  # each provider has its own, which no other can serve
    streamed: bool = False  # comes by stream, nobody polls it
    source: str = ""  # of streamed data: the name of their source in a sentence
    checked_against: tuple[Kind, ...] = ()  # lists that must have its currency and coins before it is fetched
    bounded_by: str = ""  # the setting that limits how many are wanted together
    several: str = ""  # how the refusal past that limit calls them
    # --- when
    on_demand: bool = False  # fetched when it was last asked for after it had ceased to hold, and not polled
    daily: bool = False  # fetched once a day, whatever the budget
    interval: float | None = None  # between fetches, as wished for; None: SPOT_POLL_SECONDS
    simulated_interval: float | None = None  # the same of the simulated market; None: as fast as it moves
    leftover: bool = False  # gets what the other kinds leave of the allowance
    one_by_one: float = 0.0  # real providers are asked for one of them in this time, once there is a market; 0: for all
    retry: float | None = None  # after a failure; None: by the interval
    # --- what a fetch may use of the budget
    urgent: Literal["always", "pinned", "never"] = "never"  # may use what is set aside for polls; pinned: currencies
    behind: int = 0  # calls left for others that are not urgent
    optional: bool = False  # a failure does not count against the provider's breaker
    # --- how long the store keeps the last good rows
    kept: int = _DAY
    idle: int | None = None  # until one that nobody looks at is evicted; None: never


#: In the order in which the status page and the admin list them.
KINDS: dict[Kind, Traits] = {
    # markets:usd (coins 1 to 500 by market cap), markets:usd:2 (501 to 1000), ...
    "markets": Traits(
        label="market",
        fields=COIN_FIELDS,
        parts={"currency": _CURRENCY, "block": _BLOCK},
        positive=("price",),
        cells="coin",
        coins=True,
        coin_ids=True,
        market=True,
        checked_against=("currencies",),
        urgent="pinned",
        kept=7 * _DAY,
        idle=7 * _DAY,
    ),
    # quotes:usd, the coins that clients ask for by id
    "quotes": Traits(
        label="single coins",
        fields=COIN_FIELDS,
        parts={"currency": _CURRENCY},
        positive=("price",),
        cells="coin",
        coins=True,
        coin_ids=True,
        by_id=True,
        checked_against=("currencies", "coins"),
        kept=7 * _DAY,
        idle=7 * _DAY,
    ),
    # candles:bitcoin:usd:30
    "candles": Traits(
        label="price charts",
        fields=CANDLE_FIELDS,
        parts={"coin": _ID, "currency": _CURRENCY, "days": _DAYS},
        key="timestamp",
        positive=("open", "high", "low", "close"),
        cells="candle",
        checked_against=("currencies", "coins"),
        bounded_by="SPOT_CHARTS",
        several="charts",
        interval=900.0,
        simulated_interval=15.0,
        leftover=True,
        idle=900,
    ),
    # listings, the announcements of exchanges
    "listings": Traits(
        label="announcements",
        fields=LISTING_FIELDS,
        streamed=True,
        source="listings",
        kept=60 * _DAY,
    ),
    # onchain:kline.14.0xab….1m, a provider's channel, platform, address and interval
    "onchain": Traits(
        label="on-chain events",
        fields=ONCHAIN_FIELDS,
        parts={"topic": _CHANNEL},
        streamed=True,
        source="on-chain",
        bounded_by="SPOT_ONCHAIN_TOPICS",
        several="on-chain topics",
        idle=900,
    ),
    "coins": Traits(
        label="list of coins",
        fields=("id", "symbol", "name", "platforms"),  # platforms: address by platform, in its letter case
        aside=("platforms",),
        daily=True,
        urgent="always",
        kept=60 * _DAY,
    ),
    "currencies": Traits(
        label="list of currencies",
        fields=("id",),
        daily=True,
        urgent="always",
        kept=60 * _DAY,
    ),
    # category:layer-1, the coins in one of `CATEGORIES`
    "category": Traits(
        label="categories of coins",
        fields=("id",),
        parts={"topic": _CATEGORY},
        coin_ids=True,
        daily=True,
        one_by_one=65.0,  # a little more than the minute that budgets count
        retry=3600.0,
        behind=2,
        optional=True,
        kept=60 * _DAY,
    ),
    # assets:NAME, the coins that a provider lists
    "assets": Traits(
        label="its own list of coins",
        fields=ASSET_FIELDS,
        parts={"topic": _PROVIDER},
        key="foreign_id",
        of_provider=True,
        daily=True,
        urgent="always",
    ),
    # document:coins/bitcoin/tickers?page=2, a provider's answer that is passed on, by its path and query; the adapter
    # has a closed table of them
    "document": Traits(
        label="documents",
        fields=DOCUMENT_FIELDS,
        parts={"topic": _DOCUMENT},
        on_demand=True,
        bounded_by="SPOT_DOCUMENTS",
        several="documents",
        behind=2,
        optional=True,
        kept=8 * _DAY,
        idle=3600,
    ),
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset by its parts; `name` and `parse` are inverse to each other."""

    kind: Kind
    currency: str = ""
    coin: str = ""
    days: int = 0
    block: int = 1
    topic: str = ""  # assets: the provider; category, document: its name; onchain: channel.platform.address[.interval]

    @property
    def traits(self) -> Traits:
        """The row of its kind in `KINDS`."""
        return KINDS[self.kind]

    @property
    def name(self) -> str:
        """The kind and its parts between colons; the first block goes without its number."""
        parts = [str(getattr(self, part)) for part in self.traits.parts if part != "block" or self.block > 1]
        return ":".join([self.kind, *parts])

    @classmethod
    @lru_cache(maxsize=4096)  # workers parse every wanted name once a second
    def parse(cls, name: str) -> Dataset:
        """The dataset of that name. ValueError when there is none: names come from Redis and task arguments."""
        kind, *texts = name.split(":")
        if kind in KINDS:
            parts = list(zip(KINDS[kind].parts.items(), texts, strict=False))
            if all(form.fullmatch(text) for (_, form), text in parts):
                values: dict[str, Any] = {part: int(text) if part in _NUMBERS else text for (part, _), text in parts}
                dataset = cls(kind, **values)
                if dataset.name == name:
                    return dataset
        raise ValueError(f"{name!r} names no dataset")


#: The source of lists that ship with Spot.
BUNDLED = "bundled"
#: The lists that must have a currency or a coin before a provider is asked about it.
CURRENCIES, COINS = Dataset("currencies"), Dataset("coins")
#: The members of each category, in the order of `CATEGORIES`.
MEMBERS = tuple(Dataset("category", topic=name) for name in CATEGORIES)
#: The announcements of exchanges.
LISTINGS = Dataset("listings")


def is_coin_id(text: str) -> bool:
    """Whether the text has the form of a coin id. Nothing else may become part of a URL; `COINS` says which exist."""
    return _ID.fullmatch(text) is not None and text not in (".", "..")


def is_currency(text: str) -> bool:
    """Whether the text has the form of a currency code, as providers write it: lower case."""
    return _CURRENCY.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Fetched(Facts):
    """A provider's answer, normalised. `calls` is how many were sent for it, also to providers that failed, `settle_ms`
    how far its `as_of` may ordinarily lag behind (the provider's own cache), `lasts` the seconds for which what is
    fetched on demand holds."""

    dataset: Dataset
    rows: list[Row]
    calls: int = 0
    settle_ms: int = 0
    lasts: float | None = None
