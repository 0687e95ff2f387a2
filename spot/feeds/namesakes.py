"""The error for an unknown coin id. Often it is a symbol, which several coins may share. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from spot.codes import Refused
from spot.query.table import Table

#: Coins listed in one sentence.
_MOST_LISTED = 8


def unknown_coins(field: str, ids: Sequence[str], coins: Table, markets: Sequence[Table] = ()) -> Refused:
    """The error for coin ids of which none exists. For an id that is a symbol, it lists the coins with that symbol.

    `coins` are all coins with their `symbol` and `name`; coins of `markets` are listed first, in their order.
    """
    candidates = dict.fromkeys(coin for name in ids for coin, _ in namesakes(name, coins, markets))
    message = f"{field}: {' '.join(why(name, coins, markets) for name in ids)}"
    return Refused("unknown_coin", message, field, ", ".join(candidates) or "an id from the provider's coin list")


def why(asked: str, coins: Table, markets: Iterable[Table] = ()) -> str:
    """Why there is no coin of that id, as a sentence."""
    return sentence(asked, namesakes(asked, coins, markets))


def sentence(asked: str, candidates: list[tuple[str, str]]) -> str:
    """Why there is no coin of that id. `candidates` are the ids and names of coins with that symbol."""
    if not candidates:
        return f"no coin has the id {asked!r}."
    listed = ", ".join(f"{coin} ({name})" for coin, name in candidates[:_MOST_LISTED])
    more = f" and {len(candidates) - _MOST_LISTED} more" if len(candidates) > _MOST_LISTED else ""
    return f"no coin has the id {asked!r}, which is the symbol of {listed}{more}. Ask by id."


def namesakes(symbol: str, coins: Table, markets: Iterable[Table] = ()) -> list[tuple[str, str]]:
    """The coins with that symbol, ignoring case, as (id, name)."""
    rows = coins.memo("by symbol", lambda: _by_symbol(coins)).get(symbol.casefold(), ())
    places = [market.position() for market in markets]

    def place(coin: str) -> tuple[int, int, str]:
        at = next((n for n, position in enumerate(places) if coin in position), len(places))
        return at, places[at][coin] if at < len(places) else 0, coin

    ids, names = coins.column("id"), coins.column("name")
    return [(ids[at], names[at]) for at in sorted(rows, key=lambda at: place(ids[at]))]


def _by_symbol(coins: Table) -> dict[str, list[int]]:
    rows = defaultdict(list)
    for at, symbol in enumerate(coins.values("symbol")):
        if symbol:
            rows[symbol.casefold()].append(at)
    return dict(rows)
