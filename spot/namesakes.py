"""What to say of a coin id that no coin has: most often it is a symbol, and several coins share it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from spot.codes import Refused
from spot.table import Table

#: Coins named in one sentence.
_NAMED = 8


def unknown_coin(field: str, asked: str, coins: Table, markets: Iterable[Table] = ()) -> Refused:
    """The refusal of a client's coin id. Where it is the symbol of coins, it names them and allows their ids.

    `coins` is the list of all coins with their `symbol` and `name`; coins of `markets` are named first, in
    their order.
    """
    found = namesakes(asked, coins, markets)
    allowed = ", ".join(coin for coin, _ in found) or "an id from the provider's coin list"
    return Refused("unknown_coin", f"{field}: {sentence(asked, found)}", field, allowed)


def sentence(asked: str, found: list[tuple[str, str]]) -> str:
    """That no coin has that id, and which have it as their symbol: `found` are their ids and names."""
    if not found:
        return f"no coin has the id {asked!r}."
    named = ", ".join(f"{coin} ({name})" for coin, name in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"no coin has the id {asked!r}, which is the symbol of {named}{more}. Ask by id."


def namesakes(symbol: str, coins: Table, markets: Iterable[Table] = ()) -> list[tuple[str, str]]:
    """The coins of that symbol, in whatever letter case, as (id, name)."""
    found = coins.memo("by symbol", lambda: _by_symbol(coins)).get(symbol.casefold(), ())
    places = [market.position() for market in markets]

    def place(coin: str) -> tuple[int, int, str]:
        at = next((n for n, position in enumerate(places) if coin in position), len(places))
        return at, places[at][coin] if at < len(places) else 0, coin

    ids, names = coins.column("id"), coins.column("name")
    return [(ids[at], names[at]) for at in sorted(found, key=lambda at: place(ids[at]))]


def _by_symbol(coins: Table) -> dict[str, list[int]]:
    found = defaultdict(list)
    for at, symbol in enumerate(coins.values("symbol")):
        if symbol:
            found[symbol.casefold()].append(at)
    return dict(found)
