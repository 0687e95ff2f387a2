"""A snapshot's rows as columns."""

from operator import itemgetter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spot.feeds import coin_table
from spot.query.table import Derived, Table, Universe, _Fragments
from tests.spot.rows import coin, coin_rows, market, words


def ids(table: Table, order: np.ndarray) -> list[str]:
    return [table.keys[index] for index in order]


def test_missing_values_are_last_whichever_way_it_is_sorted() -> None:
    table = coin_table([coin("a", price=None), coin("b", price=2.0), coin("c", price=1.0), coin("d", price=None)])
    assert ids(table, table.order("price", text=False, descending=False)) == ["c", "b", "a", "d"]
    assert ids(table, table.order("price", text=False, descending=True)) == ["b", "c", "a", "d"]


def test_equal_values_stand_in_the_order_of_their_ids_whichever_way() -> None:
    table = coin_table([coin(name, price=1.0, symbol="SAME") for name in ("b", "a", "c")])
    for text, field in ((False, "price"), (True, "symbol")):
        for descending in (False, True):
            assert ids(table, table.order(field, text=text, descending=descending)) == ["a", "b", "c"]


def test_text_sorts_without_regard_to_case() -> None:
    table = coin_table(
        [coin("a", name="zebra"), coin("b", name="Apple"), coin("c", name="apple"), coin("d", name="Zebra")]
    )
    assert ids(table, table.order("name", text=True, descending=False)) == ["b", "c", "a", "d"]


@given(coin_rows(), st.sampled_from(["price", "market_cap"]), st.booleans())
def test_sorting_loses_and_doubles_no_row(rows, field, descending) -> None:
    table = coin_table(rows)
    assert sorted(table.order(field, text=False, descending=descending)) == list(range(len(rows)))


@given(coin_rows(), words.map(str.casefold).filter(lambda needle: needle and "\n" not in needle))
def test_search_finds_what_a_substring_test_finds(rows, needle) -> None:
    table = coin_table(rows)
    expected = [needle in f"{row['name']} {row['symbol']} {row['id']}".casefold().replace("\n", " ") for row in rows]
    assert table.contains(needle).tolist() == expected


def test_a_needle_never_spans_two_rows() -> None:
    table = Table([{"id": "a", "t": "one"}, {"id": "b", "t": "two"}], "id", Derived(("t",), itemgetter("t")))
    assert not table.contains("etw").any()
    assert not table.contains("e\ntw").any() or table.contains("e\ntw").tolist() == [True, False]


def test_a_row_is_encoded_once_per_shape() -> None:
    table, encoded = coin_table(market(3)), []

    def encode(values) -> bytes:
        encoded.append(values)
        return ":".join(values).encode()

    reads = ("symbol", "id")
    assert table.fragments("shape", [0, 2], reads, encode) == [b"BTC:bitcoin", b"USDT:tether"]
    assert table.fragments("shape", [2, 1, 0], reads, encode) == [b"USDT:tether", b"ETH:ethereum", b"BTC:bitcoin"]
    assert encoded == [("BTC", "bitcoin"), ("USDT", "tether"), ("ETH", "ethereum")]
    table.fragments("another", [0], reads, encode)
    assert encoded.count(("BTC", "bitcoin")) == 2


def test_an_order_and_a_mask_are_made_once() -> None:
    table = coin_table(market(5))
    assert table.order("price", text=False, descending=True) is table.order("price", text=False, descending=True)
    made = []
    for _ in range(2):
        table.mask("m", lambda: made.append(1) or np.ones(5, np.bool_))
    assert made == [1]


def test_masks_are_dropped_before_they_fill_the_memory(monkeypatch) -> None:
    monkeypatch.setattr("spot.query.table._MASK_BYTES", 100)
    table = coin_table(market(10))
    for n in range(1000):
        assert table.mask(n, lambda: np.ones(10, np.bool_)).all()
        assert len(table._masks) * len(table) <= 120


def test_a_universe_knows_its_rows_and_their_places() -> None:
    table = coin_table(market(5))
    universe = Universe(table, np.array([3, 1]))
    assert not universe.whole
    assert universe.mask.tolist() == [False, True, False, True, False]
    assert universe.positions[3] == 1
    assert universe.positions[1] == 2
    assert np.isnan(universe.positions[0])
    assert Universe(table, np.arange(5)).whole


def test_an_empty_table_answers_everything() -> None:
    table = coin_table([])
    assert len(table) == 0
    assert table.contains("x").tolist() == []
    assert table.order("price", text=False, descending=True).tolist() == []
    assert table.fragments("s", [], ("id",), lambda values: b"") == []


def test_encoded_rows_of_many_shapes_stay_within_their_bytes(monkeypatch) -> None:
    monkeypatch.setattr("spot.query.table._FRAGMENT_BYTES", 20_000)
    kept = _Fragments()
    monkeypatch.setattr("spot.query.table._fragments", kept)
    table, encoded = coin_table(market(10)), []

    def encode(values) -> bytes:
        encoded.append(values)
        return bytes(500)

    def shown(shape: int) -> None:
        assert table.fragments(shape, range(10), ("id",), encode) == [bytes(500)] * 10

    for shape in range(200):  # windows in other orders, say
        shown(shape)
        shown(shape)
        assert kept.bytes <= 20_000
    assert len(encoded) == 200 * 10  # what was just made is at hand
    assert sum(isinstance(name, tuple) and name[0] == "fragments" for name in table._memo) <= 4
    shown(0)
    assert len(encoded) == 201 * 10


def test_a_condition_with_a_long_list_weighs_what_it_holds(monkeypatch) -> None:
    monkeypatch.setattr("spot.query.table._MASK_BYTES", 100_000)
    table = coin_table(market(10))
    for number in range(50):
        names = tuple(f"{number}-{place}-{'x' * 80}" for place in range(500))
        table.mask(("id", "text", "in", names), lambda: table.contains("b"))
    assert len(table._masks) <= 2


def test_universes_of_one_table_are_bounded() -> None:
    table = coin_table(market(10))
    for number in range(5000):
        table.universe(number, lambda: Universe(table, np.arange(10)))
    assert len(table._universes) <= 256
