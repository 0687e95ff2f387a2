"""The feeds without a path of their own: whole lists, the members of a category, the chart behind candles."""

import orjson

from providers.datasets import CATEGORIES, Dataset
from spot.feeds import candles, table_of
from spot.feeds.answer import Answer
from spot.feeds.lists import COIN_LIST, CURRENCY_LIST, MEMBER_LIST
from spot.feeds.view import view_of
from spot.query.columns import Charts, Columns

COINS = [
    {"id": "bitcoin", "symbol": "BTC", "name": "Bitcoin", "platforms": {}},
    {"id": "usdt", "symbol": "USDT", "name": "Tether", "platforms": {"tron": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"}},
]
DAY = 86_400_000


def shown(feed, rows, **params):
    view = view_of(feed, params, 1000)
    return orjson.loads(Answer(view, table_of(view.datasets[0].kind, Columns.unpack(*Columns.pack(rows)))).data)


def test_the_list_of_coins_is_whole_and_in_the_providers_order() -> None:
    plain = [{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}, {"id": "usdt", "symbol": "usdt", "name": "Tether"}]
    assert shown(COIN_LIST, COINS) == plain
    assert shown(COIN_LIST, COINS, platforms="true") == [{**row, "symbol": row["symbol"].lower()} for row in COINS]


def test_a_list_from_before_there_were_platforms_is_shown_all_the_same() -> None:
    rows = [{name: value for name, value in row.items() if name != "platforms"} for row in COINS]
    assert [row["platforms"] for row in shown(COIN_LIST, rows, platforms=True)] == [{}, {}]


def test_lists_of_ids_are_bare() -> None:
    assert shown(CURRENCY_LIST, [{"id": "btc"}, {"id": "aed"}]) == ["btc", "aed"]
    for category in CATEGORIES:
        view = view_of(MEMBER_LIST, {"category": category}, 1000)
        assert view.datasets == (Dataset("category", topic=category),)


def candle(at: int, *points: tuple) -> dict:
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    return {"timestamp": at, **prices, "points": [list(point) for point in points] or None}


def test_a_chart_is_whole_for_a_range_of_providers_and_else_cut_from_the_next_longer_one() -> None:
    points = [[day * DAY, day + 0.5, day * 10, None] for day in range(1, 8)]
    rows = [candle(0, *points[:3]), candle(4 * DAY), candle(5 * DAY, *points[3:])]
    packed = Columns.pack(rows)
    table = table_of("candles", Columns.unpack(packed.cells, Charts(packed.charts.text)))
    view = view_of(candles.CHART, {"coin_id": "bitcoin", "days": 5}, 1000)
    assert view.datasets == (Dataset("candles", "usd", "bitcoin", 7),)
    assert candles.chart(table, 7) == points
    assert candles.chart(table, 2) == points[-2:]
    assert orjson.loads(Answer(view, table).data)[1] is None
    assert shown(candles.OHLCV, rows, coin_id="bitcoin", days=7)[0].keys() == {"timestamp", "open", "high", "low", "close", "volume"}  # fmt: skip  # noqa: E501


def test_who_shows_candles_reads_no_chart() -> None:
    packed = Columns.pack([candle(0, (1, 2.0, 3, 4))])
    columns = Columns.unpack(packed.cells, None)
    assert [row["close"] for row in columns] == [1.0]
    assert b"points" not in packed.cells.split(b"\n", 1)[1]
