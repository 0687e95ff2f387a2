"""The lists that ship with Spot, for a start without the provider of our ids: its largest coins, and currencies.

They are facts of the day `AS_OF`, the same that the simulated market is made of; nothing in them is a price. Providers
that have newer lists are asked on.
"""

from __future__ import annotations

from providers.currencies import SUPPORTED
from providers.datasets import BUNDLED, COINS, Dataset, Fetched, Row
from providers.models import Asset
from providers.sandbox import coins

LABEL = "Bundled list"
AS_OF = coins.LEVEL_AT


def assets() -> list[Row]:
    """The coins as rows of `ASSET_FIELDS`."""
    return [
        {
            "foreign_id": coin.id,
            "symbol": coin.symbol.upper(),
            "name": coin.name,
            "slug": coin.id,
            "coin": coin.id,
            "contracts": [],
        }
        for coin in coins.load()
    ]


def listing(dataset: Dataset, simulated: bool) -> Fetched:
    """The list of coins or of currencies. Coins that a provider listed here before count as well. Asks the database."""
    rows: list[Row] = [{"id": currency} for currency in SUPPORTED]
    if dataset == COINS:
        known = Asset.objects.values_list("pk", "symbol", "name")
        rows = [{"id": pk, "symbol": symbol, "name": name} for pk, symbol, name in known] or [
            {"id": row["foreign_id"], "symbol": row["symbol"], "name": row["name"]} for row in assets()
        ]
    return Fetched(dataset, rows, as_of=AS_OF, fetched_at=AS_OF, source=BUNDLED, label=LABEL, simulated=simulated)
