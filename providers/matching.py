"""Matches the coins of another provider with ours. Pure.

A symbol does not identify a coin: dozens of coins are called BTC somewhere. Coins match by evidence, strongest first:

1. stated: the provider itself gives our id;
2. contract: a contract address in common;
3. slug: its slug is our id, and the symbols agree;
4. name: symbol and name agree, ignoring case and spaces.

The match must be the best for both sides. Where two of our coins match equally well, or two of theirs match the same
coin of ours equally well, the match is ambiguous: there is none until an operator decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from providers.datasets import Row

#: Kinds of evidence, best first; `HAND` comes besides.
HOW = ("stated", "contract", "slug", "name")
#: An operator decided on the coin, or on none: never overruled.
HAND = "hand"

Evidence = tuple[bool, ...]


class Match(NamedTuple):
    """A provider's id, our coin or None, and the evidence ("" without a match)."""

    foreign_id: str
    coin: str | None
    how: str


class _Index:
    """Our coins, indexed by id, contract, and symbol with name."""

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
        """The coins with any evidence."""
        by_id = {coin for coin in (row["coin"], row["slug"]) if coin in self.rows}
        by_contract = (self._by_contract.get(contract, set()) for contract in row["contracts"])
        return by_id.union(self._by_title.get(_title(row), set()), *by_contract)

    def evidence(self, row: Row, coin: str) -> Evidence:
        """The evidence for that coin, in the order of `HOW`."""
        ours = self.rows[coin]
        return (
            row["coin"] == coin,
            not self.contracts[coin].isdisjoint(row["contracts"]),
            row["slug"] == coin and _symbol(row) == _symbol(ours),
            _title(row) == _title(ours),
        )


def match(
    listed: Sequence[Row],
    coins: Iterable[Row],
    *,
    before: Mapping[str, str] | None = None,
    taken: Collection[str] = (),
) -> list[Match]:
    """A match for each row of `listed` (`ASSET_FIELDS`, of the other provider).

    `coins` are ours in the same fields, with our ids as `foreign_id`. `before` has the former matches by their id: with
    equal evidence a former match stays, so that a new coin of the same name does not end it. `taken` coins match
    nothing.
    """
    before, index = before or {}, _Index(coins)
    matches = [_best(row, index, before.get(row["foreign_id"])) for row in listed]
    rivals: dict[str, list[Evidence]] = defaultdict(list)
    for best in matches:
        if best is not None:
            rivals[best[0]].append(best[1])
    return [
        _unambiguous(row["foreign_id"], best, rivals[best[0]] if best else [], taken)
        for row, best in zip(listed, matches, strict=True)
    ]


def _best(row: Row, index: _Index, before: str | None) -> tuple[str, Evidence] | None:
    """The coin with the best evidence; None without any, or with the same for two coins."""
    scores = {
        coin: (*evidence, coin == before)
        for coin in index.candidates(row)
        if any(evidence := index.evidence(row, coin))
    }
    highest = max(scores.values(), default=None)
    best = [coin for coin, score in scores.items() if score == highest]
    return (best[0], scores[best[0]]) if len(best) == 1 else None


def _unambiguous(
    foreign_id: str, best: tuple[str, Evidence] | None, rivals: list[Evidence], taken: Collection[str]
) -> Match:
    """The match, unless another of their coins matches that coin as well or better."""
    if best is None:
        return Match(foreign_id, None, "")
    coin, evidence = best
    if coin in taken or evidence != max(rivals) or rivals.count(evidence) > 1:
        return Match(foreign_id, None, "")
    return Match(foreign_id, coin, HOW[evidence.index(True)])


def _symbol(row: Row) -> str:
    return str(row["symbol"]).upper()


def _title(row: Row) -> tuple[str, str]:
    return _symbol(row), " ".join(str(row["name"]).casefold().split())
