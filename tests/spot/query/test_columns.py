"""Rows, column by column: what the store holds of a snapshot."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot.query.columns import TEXTS, Charts, Columns
from spot.query.jsontext import JsonText
from tests.spot.rows import coin_rows, market

words = st.text(st.characters(codec="utf-8"))
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), floats, words)
nested = st.one_of(values, st.lists(values, max_size=3), st.dictionaries(words, values, max_size=3))
fields = words.filter(lambda name: name not in TEXTS)


@given(st.lists(st.dictionaries(fields, nested, min_size=1, max_size=5), max_size=6))
def test_rows_come_back_with_none_for_what_one_has_not(rows) -> None:
    names = dict.fromkeys(name for row in rows for name in row)
    assert list(Columns.unpack(*Columns.pack(rows))) == [{name: row.get(name) for name in names} for row in rows]


@given(coin_rows())
def test_packing_what_was_unpacked_changes_nothing(rows) -> None:
    packed = Columns.pack(rows)
    assert Columns.pack(Columns.unpack(*packed)) == packed
    assert Columns.pack(list(Columns.unpack(*packed))) == packed


def test_only_what_is_asked_for_is_decoded() -> None:
    packed = Columns.pack(market(3))
    head, *lines = packed.cells.split(b"\n")
    names = orjson.loads(head)[1]
    broken = b"\n".join([head, *(line if name == "price" else b"{" for name, line in zip(names, lines, strict=True))])
    columns = Columns.unpack(broken, packed.charts)
    assert columns.column("price") == [row["price"] for row in market(3)]
    assert columns.column("price") is columns.column("price")
    with pytest.raises(ValueError, match=r"."):
        columns.column("name")


def test_a_chart_travels_as_text() -> None:
    rows = [{"id": "a", "sparkline": [1.5, 2]}, {"id": "b", "sparkline": None}, {"id": "c", "sparkline": []}]
    chart, *none = Columns.unpack(*Columns.pack(rows)).column("sparkline")
    assert isinstance(chart, JsonText)
    assert chart == "[1.5,2]"
    assert none == [None, None]


def test_charts_that_were_not_read_are_missed_and_all_else_is_there() -> None:
    cells, charts = Columns.pack(market(3))
    without = Columns.unpack(cells, None)
    assert not without.has_charts
    assert list(without) == [{name: row[name] for name in row if name != "sparkline"} for row in market(3)]
    with pytest.raises(LookupError, match="charts"):
        without.column("sparkline")
    assert Columns.unpack(cells, charts).has_charts
    assert Columns.unpack(*Columns.pack([{"id": "a"}])).column("sparkline") == [None]


@pytest.mark.parametrize("text", [b"", b"not json", b'[{"id":"a"}]', b"[2]", b'[2,["id","name"]]\n["a","b"]'])
def test_what_is_no_such_text_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"."):
        Columns.unpack(text, Charts(b""))


def test_joined_rows_are_there_once_as_the_first_has_them() -> None:
    first, second = (
        [{"id": "a", "price": 1}, {"id": "b", "price": 2}],
        [{"id": "b", "price": 9}, {"id": "c", "name": "C"}],
    )
    for parts in ([first, second], [Columns.unpack(*Columns.pack(one)) for one in (first, second)]):
        assert Columns.joined(parts) == [
            {"id": "a", "price": 1, "name": None},
            {"id": "b", "price": 2, "name": None},
            {"id": "c", "price": None, "name": "C"},
        ]


def test_it_reads_like_a_list_of_rows() -> None:
    rows = market(4)
    columns = Columns.of(rows)
    assert Columns.of(columns) is columns
    assert (len(columns), columns[1], columns[-2:], list(columns)) == (4, rows[1], rows[-2:], rows)
    assert columns == rows
    assert columns != rows[:3]
    assert all(one is other for one, other in zip(columns, columns, strict=True))
    assert columns.column("nothing") == [None] * 4
    assert len(Columns.of([])) == 0
