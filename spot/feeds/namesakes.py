"""What to say of a coin id that no coin has: most often it is a symbol, and several coins share it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from spot.codes import Refused
from spot.query.table import Table

#: Coins named in one sentence.
_NAMED = 8


def unknown_coins(field: str, ids: Sequence[str], coins: Table, markets: Sequence[Table] = ()) -> Refused:
    """The refusal of a client's coin ids, none of which exists. Where one is the symbol of coins, it names them and
    allows their ids.

    `coins` is the list of all coins with their `symbol` and `name`; coins of `markets` are named first, in their order.
    """
    meant = dict.fromkeys(coin for name in ids for coin, _ in namesakes(name, coins, markets))
    message = f"{field}: {' '.join(why(name, coins, markets) for name in ids)}"
    return Refused("unknown_coin", message, field, ", ".join(meant) or "an id from the provider's coin list")


def why(asked: str, coins: Table, markets: Iterable[Table] = ()) -> str:
    """Why there is no coin of that id, as a sentence."""
    return sentence(asked, namesakes(asked, coins, markets))


def sentence(asked: str, found: list[tuple[str, str]]) -> str:
    """Why there is no coin of that id: `found` are the ids and names of coins that have it as their symbol."""
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
