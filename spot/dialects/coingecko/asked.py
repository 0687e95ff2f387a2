"""A request of CoinGecko's REST as its paths read it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from providers.datasets import is_coin_id, is_currency
from spot.codes import Refused
from spot.dialects.rest import Parameters
from spot.feeds.chosen import MOST_IDS, Named


class Asked(NamedTuple):
    """A request: its parameters, its path, the parts of that which are names, and how many coins by market cap are
    held."""

    parameters: Parameters
    path: str
    names: tuple[str, ...]
    depth: int

    def need(self, name: str) -> str:
        """A required parameter. Raises `Refused`."""
        if not (text := self.parameters.text(name)):
            raise Refused("missing_field", f"{name} is required.", name)
        return text

    @property
    def coin(self) -> str:
        """The coin in the path. Raises `Refused`."""
        if not is_coin_id(coin := self.names[0].lower()):
            raise Refused("unknown_coin", "There is no such coin.")
        return coin

    @property
    def precision(self) -> int | None:
        """The decimals of prices; None: all that there are."""
        text = self.parameters.text("precision")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 and int(text) <= 18 else None

    @property
    def currency(self) -> str:
        """The currency. Raises `Refused`."""
        text = self.need("vs_currency").lower()
        if not is_currency(text):
            raise Refused("unknown_currency", "vs_currency: there is no such currency.", "vs_currency")
        return text

    @property
    def coins(self) -> list[str]:
        """The ids asked for, as far as they can be any coin's."""
        return [coin for coin in dict.fromkeys(map(str.lower, self.parameters.items("ids"))) if is_coin_id(coin)]

    @property
    def named(self) -> Named | None:
        """The coins asked for by name or symbol; None: none are. Ids go before names, and names before symbols."""
        for parameter, column in (("names", "name"), ("symbols", "symbol")):
            if texts := self.parameters.items(parameter):
                if len(texts) > MOST_IDS:
                    raise Refused("bad_value", f"{parameter}: at most {MOST_IDS} of them.", parameter)
                top = column == "symbol" and self.parameters.text("include_tokens").lower() != "all"
                return Named(column, tuple(text.casefold() for text in texts), top)
        return None
