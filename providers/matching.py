"""Which of our coins a coin of another provider is. Pure.

Symbols are no identity: dozens of coins are called BTC somewhere. A coin is recognised by evidence, strongest first:

1. stated: the provider itself gives our id;
2. contract: a contract address in common;
3. slug: its slug is our id, and the symbols agree;
4. name: symbol and name agree, letter case and spaces aside.

The match must be the best for both: where two of our coins fit equally well, or two of theirs fit the same coin of ours
equally well, nobody knows, and None is the answer until an operator says which it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from providers.datasets import Row

#: How a coin can have been recognised, best first, besides by `HAND`.
HOW = ("stated", "contract", "slug", "name")
#: An operator has said which coin it is, or that it is none of ours: never overruled.
HAND = "hand"

Evidence = tuple[bool, ...]


class Match(NamedTuple):
    """A provider's id, our coin or None, and how it was recognised ("" where it was not)."""

    foreign_id: str
    coin: str | None
    how: str


class _Known:
    """Our coins, by everything they can be recognised by."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = {row["foreign_id"]: row for row in rows}
        self.contracts = {coin: frozenset(row["contracts"]) for coin, row in self.rows.items()}
        self._by_contract: dict[str, set[str]] = defaultdict(set)
        self._by_title: dict[tuple[str, str], set[str]] = defaultdict(set)
        for coin, row in self.rows.items():
            self._by_title[_title(row)].add(coin)
            for contract in self.contracts[coin]:
                self._by_contract[contract].add(coin)

    def candidates(self, row: Row) -> set[str]:
        """The coins for which there is any evidence."""
        found = {coin for coin in (row["coin"], row["slug"]) if coin in self.rows} | self._by_title.get(
            _title(row), set()
        )
        return found.union(*(self._by_contract.get(contract, set()) for contract in row["contracts"]))

    def evidence(self, row: Row, coin: str) -> Evidence:
        """What speaks for that coin, in the order of `HOW`."""
        ours = self.rows[coin]
        return (
            row["coin"] == coin,
            not self.contracts[coin].isdisjoint(row["contracts"]),
            row["slug"] == coin and _symbol(row) == _symbol(ours),
            _title(row) == _title(ours),
        )


def match(
    listed: Sequence[Row],
    known: Iterable[Row],
    *,
    before: Mapping[str, str] | None = None,
    taken: Collection[str] = (),
) -> list[Match]:
    """For each row of `listed` (`ASSET_FIELDS`, as the other provider has them) the coin that it is.

    `known` are our coins in the same fields, `foreign_id` being our id. `before` is what was found last time, by their
    id: where the evidence is equal it stands, so that a newcomer of the same name takes nothing away. `taken` coins are
    given to nobody.
    """
    before, coins = before or {}, _Known(known)
    chosen = [_best(row, coins, before.get(row["foreign_id"])) for row in listed]
    claims: dict[str, list[Evidence]] = defaultdict(list)
    for found in chosen:
        if found is not None:
            claims[found[0]].append(found[1])
    return [
        _judged(row["foreign_id"], found, claims[found[0]] if found else [], taken)
        for row, found in zip(listed, chosen, strict=True)
    ]


def _best(row: Row, coins: _Known, earlier: str | None) -> tuple[str, Evidence] | None:
    """The one coin for which most speaks; None where that is nothing, or the same for two."""
    scores = {
        coin: (*evidence, coin == earlier)
        for coin in coins.candidates(row)
        if any(evidence := coins.evidence(row, coin))
    }
    highest = max(scores.values(), default=None)
    best = [coin for coin, score in scores.items() if score == highest]
    return (best[0], scores[best[0]]) if len(best) == 1 else None


def _judged(
    foreign_id: str, found: tuple[str, Evidence] | None, rivals: list[Evidence], taken: Collection[str]
) -> Match:
    """The match, unless another of theirs fits that coin as well or better."""
    if found is None:
        return Match(foreign_id, None, "")
    coin, evidence = found
    if coin in taken or evidence != max(rivals) or rivals.count(evidence) > 1:
        return Match(foreign_id, None, "")
    return Match(foreign_id, coin, HOW[evidence.index(True)])


def _symbol(row: Row) -> str:
    return str(row["symbol"]).upper()


def _title(row: Row) -> tuple[str, str]:
    return _symbol(row), " ".join(str(row["name"]).casefold().split())
