"""Lists that ship with Spot, for a start without the provider of our ids: the largest coins, and currencies.

They are as of `AS_OF`, and the basis of the simulated market; they have no prices. Spot goes on fetching newer lists.
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
    """The list of coins or currencies. Coins in the asset table, from a former provider's list, take precedence."""
    rows: list[Row] = [{"id": currency} for currency in SUPPORTED]
    if dataset == COINS:
        stored = Asset.objects.values_list("pk", "symbol", "name")
        rows = [{"id": pk, "symbol": symbol, "name": name, "platforms": {}} for pk, symbol, name in stored] or [
            {"id": row["foreign_id"], "symbol": row["symbol"], "name": row["name"], "platforms": {}} for row in assets()
        ]
    return Fetched(dataset, rows, as_of=AS_OF, fetched_at=AS_OF, source=BUNDLED, label=LABEL, simulated=simulated)
