"""A coin whose price has stopped is not live because its neighbours are."""

import json

import pytest

from spot.feeds import ACTIVE, FEEDS, GAINERS, HEATMAP, MARKET, TAPE
from spot.feeds.answer import Answer
from spot.feeds.view import view_of
from spot.ingest.ageing import SPANS, aged
from tests.spot.rows import coin

NOW = 1_795_896_014_000
HOUR, DAY = 3_600_000, 86_400_000


def priced(name: str, age_ms: int | None, **fields: object) -> dict:
    last = None if age_ms is None else NOW - age_ms
    return coin(name, **{"price": 1.0, "market_cap": 1e9, "volume_24h": 2e6, "last_updated": last} | fields)


def stored(*rows: dict, max_age_ms: int = 120_000) -> list[dict]:
    return list(aged(rows, NOW, max_age_ms))


def shown(feed, rows: list[dict], *, envelope: bool = True, **raw: object):
    return json.loads(Answer(view_of(feed, raw, 1000), feed.table(rows), extended=envelope).data)


@pytest.mark.parametrize(
    ("age_ms", "max_age_ms", "stale"),
    [
        (None, 120_000, None),
        (3_000, 120_000, False),
        (HOUR, 120_000, False),
        (HOUR + 1, 120_000, True),
        (2 * HOUR, 3 * HOUR, False),
        (30 * DAY, 3 * HOUR, True),
        (-60_000, 120_000, False),
    ],
)
def test_a_price_is_stale_after_an_hour_or_the_limit_of_its_market(age_ms, max_age_ms, stale) -> None:
    (row,) = stored(priced("a", age_ms), max_age_ms=max_age_ms)
    assert row["stale"] is stale


def test_a_price_says_nothing_of_a_span_that_is_over() -> None:
    figures = dict.fromkeys(SPANS, 61.5)
    fresh, halted = stored(priced("a", 1_000, **figures), priced("b", 2 * DAY, **figures))
    assert {name: fresh[name] for name in SPANS} == figures
    assert {name for name in SPANS if halted[name] is None} == {
        "price_change_1h", "price_change_24h", "volume_24h", "high_24h", "low_24h", "price_difference_24h",
        "market_cap_change_24h", "market_cap_change_percentage_24h",
    }  # fmt: skip
    assert halted["price"] == 1.0


def test_a_gain_of_last_month_is_no_gain_of_today() -> None:
    rows = stored(
        priced("live", 3_000, price_change_24h=0.4, price_change_7d=1.0),
        priced("halted", 30 * DAY, price_change_24h=61.5, price_change_7d=70.0, volume_24h=9e9),
    )
    assert [row["name"] for row in shown(GAINERS, rows)] == ["Live"]
    assert [row["name"] for row in shown(GAINERS, rows, price_change_percentage="7d")] == ["Live"]
    assert [row["name"] for row in shown(ACTIVE, rows)] == ["Live"]
    tile = next(tile for tile in shown(HEATMAP, rows, envelope=False) if tile["symbol"] == "HALT")
    assert (tile["content"], tile["color"], tile["price_change_24h"]) == ("HALT", "gray", None)


@pytest.mark.parametrize("feed", [HEATMAP, TAPE, ACTIVE], ids=lambda feed: feed.channel)
def test_enveloped_rows_say_as_of_when_and_whether_they_are_stale(feed) -> None:
    rows = stored(priced("live", 3_000), priced("halted", 2 * HOUR))
    raw = {"coin_ids": "live,halted"} if feed is TAPE else {}
    ages = {row["id"]: (row["as_of"], row["stale"]) for row in shown(feed, rows, **raw)}
    assert ages == {"live": (NOW - 3_000, False), "halted": (NOW - 2 * HOUR, True)}
    assert not any({"as_of", "stale"} & row.keys() for row in shown(feed, rows, envelope=False, **raw))


def test_the_market_table_has_them_beside_its_rows() -> None:
    rows = stored(priced("live", 3_000, market_cap=2e9), priced("halted", 2 * HOUR))
    data = shown(MARKET, rows)
    assert (data["ids"], data["as_of"], data["stale"]) == (
        ["live", "halted"], [NOW - 3_000, NOW - 2 * HOUR], [False, True],
    )  # fmt: skip
    assert list(shown(MARKET, rows, envelope=False)) == ["headers", "rows"]


@pytest.mark.parametrize(
    "feed",
    [feed for feed in FEEDS.values() if feed.fields.all and "stale" in feed.fields.names],
    ids=lambda f: f.channel,
)
def test_coins_are_filtered_and_sorted_by_their_age(feed) -> None:
    rows = stored(
        priced("live", 3_000, price_change_24h=1.0 if feed is GAINERS else -1.0),
        priced("halted", 2 * HOUR, price_change_24h=1.0 if feed is GAINERS else -1.0),
    )
    raw: dict = {"coin_ids": "live,halted"} if feed is TAPE else {}

    def names(**view: object) -> list[str]:
        data = shown(feed, rows, **raw, **view)
        return data["ids"] if isinstance(data, dict) else [row["id"] for row in data]

    assert names(filters={"stale": True}) == ["halted"]
    assert names(filters={"stale": {"ne": True}}) == ["live"]
    assert names(filters={"as_of": {"gte": NOW - HOUR}}) == ["live"]
    assert names(filters={"last_updated": {"lt": NOW - HOUR}}) == ["halted"]
    assert names(sort_by="as_of", sort_order="asc") == ["halted", "live"]
    assert names(sort_by="stale") == ["halted", "live"]
