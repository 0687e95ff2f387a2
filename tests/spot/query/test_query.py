"""The live query against a reference written the obvious way, and every way of asking for what cannot be."""

import copy
import math
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot.codes import Refused
from spot.feeds import FEEDS, MARKET, OHLCV, coin_table
from spot.query.query import (
    OPERATORS,
    compute_masks,
    evaluate,
    parse_count,
    parse_filters,
    parse_query,
    parse_search,
    parse_time,
    ws_apply_filters,
)
from spot.query.table import Universe
from tests.spot.rows import coin, coin_rows, market, naive, numbers, words

FIELDS = MARKET.fields
NUMBER_FIELDS, TEXT_FIELDS = ("price", "market_cap", "price_change_24h"), ("symbol", "name", "id")
given_numbers = numbers.filter(lambda value: value is not None)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def ask(rows, **raw):
    """The ids of a page, and what the page says of itself."""
    table = coin_table(rows)
    page = evaluate(Universe(table, np.arange(len(rows))), parse_query(raw, FIELDS))
    return [table.keys[index] for index in page.indices], page


@st.composite
def conditions(draw):
    if draw(st.booleans()):
        field = draw(st.sampled_from(NUMBER_FIELDS))
        operator = draw(st.sampled_from([name for name, row in OPERATORS.items() if row.numbers is not None]))
        values = numbers if operator in ("eq", "ne", "in", "nin") else given_numbers
    else:
        field, operator = draw(st.sampled_from(TEXT_FIELDS)), draw(st.sampled_from(list(OPERATORS)))
        values = words | st.none() if operator in ("eq", "ne", "in", "nin") else words
    wish = draw(st.lists(values, max_size=4)) if operator in ("in", "nin") else draw(values)
    return field, operator, wish


@settings(max_examples=300)
@given(
    coin_rows(),
    st.lists(conditions(), max_size=3, unique_by=lambda test: test[:2]),
    words.filter(lambda text: "\n" not in text),
    st.none() | st.tuples(st.sampled_from(NUMBER_FIELDS + TEXT_FIELDS), st.booleans()),
    st.integers(1, 6),
    st.none() | st.integers(1, 5),
)
def test_every_query_is_answered_as_the_reference_answers_it(rows, tests, search, sort, number, size) -> None:
    filters: dict = {}
    for field, operator, wish in tests:
        filters.setdefault(field, {})[operator] = wish
    raw = {"filters": filters, "search": search, "page": number, "page_size": size}
    if sort:
        raw |= {"sort_by": sort[0], "sort_order": "desc" if sort[1] else "asc"}
    shown, page = ask(rows, **raw)
    expected, total, pages = naive(rows, tests=tests, search=search, sort=sort, page=number, size=size)
    assert shown == [row["id"] for row in expected]
    assert (page.total, page.pages, page.page) == (total, pages, min(number, pages))


@given(coin_rows(), st.lists(st.lists(conditions(), max_size=3), max_size=5))
def test_what_is_prepared_for_many_is_what_each_would_make(rows, wishes) -> None:
    tests = [test for several in wishes for test in several]
    queries = [parse_query({"filters": {field: {operator: wish}}}, FIELDS) for field, operator, wish in tests]
    alone, together = coin_table(rows), coin_table(rows)
    compute_masks(together, queries)
    for query in queries:
        shown = [evaluate(Universe(table, np.arange(len(rows))), query).indices.tolist() for table in (alone, together)]
        assert shown[0] == shown[1]


def test_comparisons_of_many_queries_are_made_at_once(monkeypatch) -> None:
    table, made = coin_table(market(10)), []
    original = table.mask
    monkeypatch.setattr(table, "mask", lambda name, make: original(name, lambda: made.append(name) or make()))
    queries = [parse_query({"filters": {"price": {"gte": n}, "symbol": "BTC"}}, FIELDS) for n in range(15)]
    compute_masks(table, queries)
    for query in queries:
        evaluate(Universe(table, np.arange(10)), query)
    assert [condition.column for condition in made] == ["symbol"]


def test_no_more_is_prepared_than_is_kept(monkeypatch) -> None:
    monkeypatch.setattr("spot.query.table._MASK_BYTES", 100)
    table = coin_table(market(10))
    compute_masks(table, [parse_query({"filters": {"price": {"gte": n}}}, FIELDS) for n in range(15)])
    assert len(table._masks) == 10


@given(coin_rows(), st.integers(1, 5), st.sampled_from(NUMBER_FIELDS), st.sampled_from(["asc", "desc"]))
def test_the_pages_together_are_the_whole_and_nothing_twice(rows, size, field, order) -> None:
    whole, _ = ask(rows, sort_by=field, sort_order=order)
    pages = math.ceil(len(rows) / size)
    parts = [ask(rows, sort_by=field, sort_order=order, page=n, page_size=size)[0] for n in range(1, pages + 1)]
    assert [id_ for part in parts for id_ in part] == whole


def test_a_part_of_a_table_is_sorted_within_itself() -> None:
    table = coin_table(market(6))
    universe = Universe(table, np.array([5, 0, 3]))
    page = evaluate(universe, parse_query({"sort_by": "market_cap", "sort_order": "asc"}, FIELDS))
    assert page.indices.tolist() == [5, 3, 0]
    place = evaluate(universe, parse_query({"sort_by": "Row"}, FIELDS))
    assert place.indices.tolist() == [5, 0, 3]
    assert evaluate(universe, parse_query({"sort_by": "row", "sort_order": "desc"}, FIELDS)).indices.tolist() == [
        3,
        0,
        5,
    ]
    assert evaluate(universe, parse_query({"filters": {"Row": {"lte": 2}}}, FIELDS)).indices.tolist() == [5, 0]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"symbol": "btc"}, ["bitcoin"]),
        ({"Symbol": ["BTC", "eth"]}, ["bitcoin", "ethereum"]),
        ('{"SYMBOL":"Btc"}', ["bitcoin"]),
        ({"market_cap": {"gte": 3e11, "lt": 1e12}}, ["ethereum", "tether"]),
        ({"name": {"contains": "HER"}}, ["ethereum", "tether"]),
        ({"name": {"startswith": "e"}}, ["ethereum"]),
        ({"symbol": {"nin": ["BTC", "ETH"]}}, ["tether", "solana"]),
        ({"symbol": {"ne": "btc"}}, ["ethereum", "tether", "solana"]),
        ({"symbol": []}, []),
        ({"max": 1}, None),
        ({}, ["bitcoin", "ethereum", "tether", "solana"]),
        ("", ["bitcoin", "ethereum", "tether", "solana"]),
        ("null", ["bitcoin", "ethereum", "tether", "solana"]),
        (None, ["bitcoin", "ethereum", "tether", "solana"]),
    ],
)
def test_filters_read_as_documented(filters, expected) -> None:
    if expected is None:
        with pytest.raises(Refused):
            ask(market(4), filters=filters)
    else:
        assert ask(market(4), filters=filters)[0] == expected


def test_null_selects_what_has_no_value() -> None:
    rows = [coin("a", price=None), coin("b", price=0.0)]
    assert ask(rows, filters={"price": None})[0] == ["a"]
    assert ask(rows, filters={"price": {"ne": None}})[0] == ["b"]
    assert ask(rows, filters={"price": [None, 0]})[0] == ["a", "b"]
    assert ask(rows, filters={"price": {"lt": 1}})[0] == ["b"]


def test_without_an_order_numbers_descend_and_text_ascends() -> None:
    assert ask(market(3), sort_by="price")[0][0] == "bitcoin"
    assert ask(market(3), sort_by="name")[0] == ["bitcoin", "ethereum", "tether"]


def test_equal_questions_are_equal_queries() -> None:
    one = parse_query(
        {
            "filters": '{"Symbol":["ETH","BTC"],"Market Cap":{"lt":5,"gte":1}}',
            "sort_by": "24h Change (%)",
            "search": " Eth ",
        },
        FIELDS,
    )
    two = parse_query(
        {
            "filters": {"market_cap": {"gte": 1.0, "lt": 5}, "symbol": {"in": ["btc", "eth", "ETH"]}},
            "sort_by": "price_change_24h",
            "search": "eth",
            "page": "1",
        },
        FIELDS,
    )
    assert one == two
    assert hash(one) == hash(two)


# --- what cannot be ---------------------------------------------------------------------------------------------------

WRONG = [
    ("filters", "{", "filters"),
    ("filters", "[]", "filters"),
    ("filters", [1], "filters"),
    ("filters", 5, "filters"),
    ("filters", True, "filters"),
    ("filters", '{"price": NaN}', "filters"),
    ("filters", '{"price": 1e999}', "filters"),
    ("filters", {"nothing": 1}, "filters"),
    ("filters", {"__class__": "x"}, "filters"),
    ("filters", {"symbol__regex": "x"}, "filters"),
    ("filters", {"price; DROP TABLE": 1}, "filters"),
    ("filters", {"symbol": 5}, "filters.symbol"),
    ("filters", {"symbol": True}, "filters.symbol"),
    ("filters", {"symbol": {"eq": ["x"]}}, "filters.symbol"),
    ("filters", {"symbol": {"like": "x"}}, "filters.symbol"),
    ("filters", {"symbol": {"gt": None}}, "filters.symbol.gt"),
    ("filters", {"symbol": "x" * 101}, "filters.symbol"),
    ("filters", {"symbol": {"in": "BTC"}}, "filters.symbol.in"),
    ("filters", {"symbol": ["x"] * 501}, "filters.symbol.in"),
    ("filters", {"price": "5"}, "filters.price"),
    ("filters", {"price": True}, "filters.price"),
    ("filters", {"price": {"gte": "x"}}, "filters.price"),
    ("filters", {"price": {"contains": "1"}}, "filters.price"),
    ("filters", {"price": [[1]]}, "filters.price"),
    ("filters", {"price": {str(n): n for n in range(50)}}, "filters.price"),
    (
        "filters",
        {
            f"price_change_{w}": {"gt": n, "lt": n, "gte": n, "lte": n, "ne": n, "eq": n}
            for n, w in enumerate(("1h", "24h", "7d", "14d", "30d", "1y"))
        },
        "filters",
    ),
    ("search", 5, "search"),
    ("search", ["x"], "search"),
    ("search", "x" * 101, "search"),
    ("search", "a\nb", "search"),
    ("sort_by", "nothing", "sort_by"),
    ("sort_by", 5, "sort_by"),
    ("sort_by", ["price"], "sort_by"),
    ("sort_by", "-price", None),
    ("sort_order", "up", "sort_order"),
    ("sort_order", 1, "sort_order"),
    ("sort_order", ["asc"], "sort_order"),
    ("page", 0, "page"),
    ("page", -1, "page"),
    ("page", "-1", "page"),
    ("page", 1.5, "page"),
    ("page", "1.5", "page"),
    ("page", True, "page"),
    ("page", math.nan, "page"),
    ("page", math.inf, "page"),
    ("page", "x", "page"),
    ("page", [1], "page"),
    ("page", {}, "page"),
    ("page", 10**9, "page"),
    ("page_size", 0, "page_size"),
    ("page_size", 10**9, "page_size"),
    ("page_size", 501, "page_size"),
    ("page_size", "9" * 5000, "page_size"),
    ("start_time", "yesterday", "start_time"),
    ("start_time", math.nan, "start_time"),
    ("start_time", True, "start_time"),
    ("start_time", [1], "start_time"),
    ("end_time", 1e300, "end_time"),
    ("end_time", "9" * 400, "end_time"),
]


@pytest.mark.parametrize(("name", "value", "field"), [row for row in WRONG if row[2]])
def test_a_bad_value_is_refused_by_the_name_of_its_field(name, value, field) -> None:
    with pytest.raises(Refused) as caught:
        parse_query({name: value}, FIELDS)
    refused = caught.value
    assert refused.field == field
    assert name in refused.message
    assert refused.allowed
    assert refused.message.endswith(".")
    assert len(refused.message) < 700


def test_an_unknown_field_is_told_the_valid_ones() -> None:
    with pytest.raises(Refused) as caught:
        parse_query({"sort_by": "bogus"}, FIELDS)
    assert caught.value.code == "unknown_field"
    for name in ("symbol", "market_cap", "price_change_24h", "volume_24h"):
        assert name in caught.value.message


@pytest.mark.parametrize(
    "name", ["filters", "search", "sort_by", "sort_order", "page", "page_size", "start_time", "end_time", "time_field"]
)
@given(value=json_values)
def test_no_value_of_a_parameter_raises_anything_but_a_refusal(name, value) -> None:
    for feed in (MARKET, OHLCV):
        with suppress(Refused):
            hash(parse_query({name: value}, feed.fields, feed.time_field))


@given(st.text(max_size=40) | st.sampled_from(["\ud800", "{" * 50, "[" * 100_000, "9" * 5000]))
def test_no_text_of_filters_raises_anything_but_a_refusal(text) -> None:
    with suppress(Refused):
        hash(parse_filters(text, FIELDS))


# --- numbers and times ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("raw", "expected"), [(1, 1), ("7", 7), (" 7 ", 7), (7.0, 7), ("007", 7)])
def test_a_whole_number_may_be_written_in_several_ways(raw, expected) -> None:
    assert parse_count("page", raw, 1, 10) == expected


@pytest.mark.parametrize(
    "raw",
    [
        1719878400000,
        1719878400,
        "1719878400000",
        "1719878400",
        1719878400.0,
        "2024-07-02T00:00:00Z",
        "2024-07-02",
        "2024-07-02T02:00:00+02:00",
        "2024-07-02T00:00:00",
    ],
)
def test_a_time_may_be_milliseconds_seconds_or_iso(raw) -> None:
    assert parse_time("start_time", raw) == 1719878400000


@given(st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1)))
def test_every_moment_is_the_same_in_all_three_spellings(moment) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = int(moment.timestamp())
    assert (
        parse_time("t", seconds)
        == parse_time("t", seconds * 1000)
        == parse_time("t", moment.isoformat())
        == seconds * 1000
    )


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Refused, match="start_time must be no later than end_time"):
        parse_query({"start_time": 2_000_000_000_000, "end_time": 1_900_000_000_000}, OHLCV.fields, "timestamp")


def test_a_time_field_must_hold_numbers() -> None:
    assert parse_query({"time_field": "x"}, OHLCV.fields, "timestamp").time_field.name == "timestamp"
    with pytest.raises(Refused):
        parse_query({"time_field": "symbol"}, MARKET.fields, "last_updated")


@pytest.mark.parametrize("text", ["(a+)+$", ".*", "[", "\\", "%", "_"])
def test_search_is_text_and_no_pattern(text) -> None:
    assert ask([coin("a", name="aaaaaaaaaaaaaaaaaaaaaaaaaa!")], search=text)[0] == []
    assert ask([coin("a", name=f"has {text} in it")], search=text)[0] == ["a"]


def test_search_is_trimmed_and_folded() -> None:
    assert parse_search("  ÉTH ") == "éth"
    assert ask([coin("a", name="Straße")], search="STRASSE")[0] == ["a"]


# --- every documented name of every field -----------------------------------------------------------------------------

SPELLINGS = {
    "market": {
        "symbol": ["Symbol", "symbol", "SYMBOL"],
        "name": ["Name", "name"],
        "price": ["Price", "price", "current_price"],
        "price_change_24h": [
            "24h Change (%)",
            "24h change",
            "price_change_24h",
            "24H_CHANGE",
            "price_change_percentage_24h",
        ],
        "price_change_7d": ["7d Change (%)", "price_change_7d"],
        "price_change_1h": ["1h Change (%)"],
        "price_change_1y": ["1y Change (%)"],
        "market_cap": ["Market Cap", "market_cap", "market cap", "MARKET CAP"],
        "volume_24h": ["24h Volume", "volume_24h", "total_volume"],
        "Row": ["Row", "row"],
        "logo": ["Logo"],
    },
    "coin-heatmap": {
        "market_cap": ["size", "market_cap"],
        "content": ["content"],
        "symbol": ["symbol"],
        "price_change_24h": ["price_change_24h"],
        "color": ["color"],
    },
    "ticker-tape": {
        "logo": ["logo"],
        "symbol_pair": ["symbol_pair"],
        "price": ["price"],
        "price_change_24h": ["change_pct_24h", "price_change_24h"],
        "name": ["name"],
    },
    **{
        channel: {
            "rank": ["rank"],
            "name": ["name"],
            "logo": ["logo"],
            "symbol": ["symbol"],
            "price": ["price"],
            "market_cap": ["market_cap"],
            "volume_24h": ["volume_24h"],
            "price_change_24h": ["price_change_24h", "24h Change (%)"],
            "price_change_7d": ["price_change_7d"],
            "price_change_30d": ["price_change_30d"],
        }
        for channel in ("top-gainers", "top-losers", "most-active")
    },
    "historical-ohlcv": {
        "timestamp": ["timestamp", "x", "Timestamp", "X"],
        "open": ["open"],
        "high": ["high"],
        "low": ["low"],
        "close": ["close"],
        "volume": ["volume"],
    },
}


@pytest.mark.parametrize(
    ("channel", "name", "spelling"),
    [(channel, name, one) for channel, names in SPELLINGS.items() for name, all_ in names.items() for one in all_],
)
def test_a_field_is_found_by_its_documented_spellings(channel, name, spelling) -> None:
    assert FEEDS[channel].fields.find(spelling, "sort_by").name == name


# --- ws_apply_filters -------------------------------------------------------------------------------------------------


@given(coin_rows(), st.sampled_from(["price", "symbol"]), st.sampled_from(["asc", "desc"]), st.integers(1, 3))
def test_the_documented_function_changes_nothing_that_it_is_given(rows, field, order, number) -> None:
    before = copy.deepcopy(rows)
    ws_apply_filters(rows, sort_by=field if rows else None, sort_order=order, page=number, page_size=2, search="a")
    assert rows == before


def test_the_documented_function_takes_a_list() -> None:
    rows = [
        {"symbol": "BTC", "market_cap": 5, "name": "Bitcoin"},
        {"symbol": "ETH", "market_cap": None, "name": "Ether"},
        {"symbol": "X", "market_cap": 9, "name": "Xeno"},
    ]
    assert ws_apply_filters(rows, sort_by="Market Cap", sort_order="asc") == [rows[0], rows[2], rows[1]]
    assert ws_apply_filters(rows, filters='{"Symbol":"btc"}') == [rows[0]]
    assert ws_apply_filters(rows, search="eth") == [rows[1]]
    assert ws_apply_filters(rows, page=99, page_size=2) == [rows[2]]
    assert ws_apply_filters([], sort_by="anything") == []


def test_the_documented_function_takes_the_market_table_and_counts_its_rows() -> None:
    data = {"headers": ["Row", "Symbol", "24h Change (%)"], "rows": [[1, "BTC", 1.0], [2, "ETH", 3.0], [3, "X", None]]}
    answer = ws_apply_filters(data, sort_by="24h Change (%)", sort_order="desc", page=2, page_size=1)
    assert answer == {"headers": data["headers"], "rows": [[2, "BTC", 1.0]]}


def test_the_documented_function_selects_times() -> None:
    rows = [{"timestamp": n * 1_000_000_000_000, "open": n} for n in (1, 2, 3)]
    assert ws_apply_filters(rows, start_time=2_000_000_000_000, end_time=2_500_000_000_000) == [rows[1]]
    assert ws_apply_filters([{"x": 2e12}], start_time=1_900_000_000_000, time_field="x") == [{"x": 2e12}]
    with pytest.raises(Refused):
        ws_apply_filters([{"a": 1}], start_time=5)
