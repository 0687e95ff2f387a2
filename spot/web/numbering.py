"""The numbers of coins in other vendors' protocols, renewed from the asset table, off the message path.

The desk of each web process does that once a minute, in a thread (`spot.clients.desk.renewals`). An operator's
correction counts from then on; who follows a coin already goes on.
"""

from __future__ import annotations

from django.db import connection

from providers.models import AssetAlias
from spot.dialects.coinmarketcap.numbers import PROVIDER, numbers


def renew() -> None:
    """Fill the numbers. Raises `django.db.Error`, and leaves them as they are then. For a thread that has no other
    use of the database: its connection is closed."""
    try:
        aliases = AssetAlias.objects.filter(provider=PROVIDER, asset__isnull=False).order_by("pk")
        rows = list(aliases.values_list("foreign_id", "asset_id", "slug"))
    finally:
        connection.close()
    numbered = [(int(number), coin) for number, coin, _ in rows if number.isdecimal() and len(number) < 10]
    numbers.fill(numbered, {coin: slug for _, coin, slug in rows if slug})
