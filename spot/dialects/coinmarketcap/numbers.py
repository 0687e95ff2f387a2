"""The ids of coins in these protocols: numbers, in the memory of each web process. Pure.

`spot.web.numbering` renews them from the asset table; until then, and for coins that are not in it, those that ship
with Spot are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from providers.protocols.coinmarketcap_ids import IDS, SLUGS

#: The provider whose ids these are.
PROVIDER = "coinmarketcap"


class Numbers:
    """Coins by number, and numbers by coin."""

    def __init__(self) -> None:
        self._coins: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._slugs: dict[str, str] = {}
        self._with_slugs: dict[str, str] = {}
        self.fill(())

    def fill(self, pairs: Iterable[tuple[int, str]], slugs: Mapping[str, str] | None = None) -> None:
        """Replace everything by these numbers and coins; of a coin with several the last is its own. `slugs`: the
        vendor's names of coins in addresses, by coin."""
        coins = dict(pairs)
        numbers = {coin: number for number, coin in coins.items()}
        shipped = {coin: number for coin, number in IDS.items() if coin not in numbers and number not in coins}
        self._coins = coins | {number: coin for coin, number in shipped.items()}
        self._numbers = numbers | shipped
        self._slugs = {coin: SLUGS.get(coin, coin) for coin in self._numbers} | dict(slugs or {})
        self._with_slugs = {slug: coin for coin, slug in self._slugs.items()}

    def coin(self, number: int) -> str | None:
        """Our id of the coin with that number."""
        return self._coins.get(number)

    def number(self, coin: str) -> int | None:
        """The number of a coin of ours."""
        return self._numbers.get(coin)

    def slug(self, coin: str) -> str:
        """The vendor's name of a coin of ours in addresses."""
        return self._slugs.get(coin, coin)

    def with_slug(self, slug: str) -> str | None:
        """Our id of the coin with that name."""
        return self._with_slugs.get(slug.lower())


#: The numbers of this process.
numbers = Numbers()
