"""Names of datasets, and the table of their kinds."""

import ast
from typing import get_args

import pytest

from providers.datasets import CURRENCIES, KINDS, MEMBERS, Dataset, Kind
from tests.test_architecture import SOURCES, name_of, tree_of

NAMES = {
    "markets:usd": Dataset("markets", "usd"),
    "markets:usd:2": Dataset("markets", "usd", block=2),
    "quotes:eur": Dataset("quotes", "eur"),
    "candles:bitcoin:usd:30": Dataset("candles", "usd", coin="bitcoin", days=30),
    "currencies": CURRENCIES,
    "coins": Dataset("coins"),
    "listings": Dataset("listings"),
    "category:memes": MEMBERS[0],
    "assets:acme": Dataset("assets", topic="acme"),
    "onchain:kline.14.0xab5801a7.1m": Dataset("onchain", topic="kline.14.0xab5801a7.1m"),
    "document:coins/bitcoin/tickers?page=2": Dataset("document", topic="coins/bitcoin/tickers?page=2"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_and_its_dataset_are_inverse(name: str) -> None:
    assert Dataset.parse(name) == NAMES[name]
    assert NAMES[name].name == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", "x:y", "markets", "markets:", "markets:US", "markets:usd:1", "markets:usd:02", "markets:usd:-1"),
        *("markets:usd:0", "markets:usd:x", "markets:usd:2:3", "quotes", "quotes:eur:2", "candles:bitcoin:usd"),
        *(
            "candles:bitcoin:usd:31",
            "candles:bitcoin:usd:\u0667",
            "candles:..:usd:7",
            "candles::usd:7",
            "currencies:usd",
        ),
        *("coins:", "listings:x", "assets", "assets:", "assets:CG", "category", "category:new", "onchain"),
        *("onchain:kline.14.0x.1m", "onchain:other.14.0xab5801a7"),
        *("document", "document:", "document:/global", "document:a b", "document:a?b?c", f"document:{'a' * 5001}"),
    ],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Dataset.parse(name)


def test_every_kind_has_its_row_and_an_example() -> None:
    assert set(get_args(Kind)) == set(KINDS) == {dataset.kind for dataset in NAMES.values()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_of_the_table_fits_together(kind: Kind) -> None:
    traits = KINDS[kind]
    assert {traits.key, *traits.positive} <= set(traits.fields)
    assert set(traits.parts) <= set(Dataset.__slots__)
    assert not (traits.streamed and (traits.daily or traits.interval or traits.checked_against))
    assert bool(traits.source) == traits.streamed
    assert bool(traits.bounded_by) == bool(traits.several)
    assert set(traits.checked_against) <= set(KINDS)
    assert ("currencies" in traits.checked_against) == ("currency" in traits.parts)


def test_nothing_asks_which_kind_a_dataset_is_of() -> None:
    """Adapters may: one function of theirs often serves two kinds."""
    allowed = ("providers/adapters/", "spot/ingest/onchain.py")
    names = {repr(kind) for kind in KINDS}
    offenders = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        if not name_of(path).startswith(allowed)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Compare)
        and ".kind" in (text := ast.unparse(node))
        and any(name in text for name in names)
    ]
    assert not offenders
