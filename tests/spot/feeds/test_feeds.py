"""The documented shape of every feed, built here from plain rows without the feeds' own code."""

import json

import numpy as np
import orjson
import pytest

from providers.datasets import WINDOWS, Dataset
from spot.codes import Refused
from spot.feeds import (
    ACTIVE,
    DUST_VOLUME_USD,
    FEEDS,
    GAINERS,
    HEATMAP,
    LISTINGS_FEED,
    LOSERS,
    MARKET,
    OHLCV,
    ONCHAIN,
    TAPE,
    candle_range,
    coin_table,
    parse_params,
)
from spot.feeds.answer import Answer
from spot.feeds.view import view_of
from spot.query.columns import Columns
from tests.spot.rows import REQUIRED, candles, coin, events, listings, market, rows_of

DAY = 86_400_000


def shown(feed, rows, **raw):
    """What a plain client of the feed reads, parsed."""
    subscription = view_of(feed, raw, 1000)
    return json.loads(Answer(subscription, feed.table(rows)).data)


# --- market -----------------------------------------------------------------------------------------------------------


def test_the_market_table_is_the_documented_one() -> None:
    rows = market(3)
    answer = shown(MARKET, rows)
    assert answer["headers"] == [
        "Row",
        "Logo",
        "Symbol",
        "Name",
        "Price",
        "24h Change (%)",
        "Market Cap",
        "24h Volume",
        "7d Chart",
        "7d Change (%)",
    ]
    assert list(answer) == ["headers", "rows"]
    assert answer["rows"] == [
        [
            n,
            r["logo"],
            r["symbol"],
            r["name"],
            r["price"],
            r["price_change_24h"],
            r["market_cap"],
            r["volume_24h"],
            r["sparkline"],
            r["price_change_7d"],
        ]
        for n, r in enumerate(rows, 1)
    ]


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ({"price_change_percentage": "7d"}, ["Market Cap", "24h Volume", "7d Chart", "7d Change (%)"]),
        (
            {"price_change_percentage": "1y,24h,1h"},
            ["24h Change (%)", "Market Cap", "24h Volume", "7d Chart", "1y Change (%)", "1h Change (%)"],
        ),
        ({"price_change_percentage": "24h", "sparkline": "false"}, ["24h Change (%)", "Market Cap", "24h Volume"]),
        (
            {"price_change_percentage": "24H, 24h ,7D"},
            ["24h Change (%)", "Market Cap", "24h Volume", "7d Chart", "7d Change (%)"],
        ),
        (
            {"price_change_percentage": ",".join(WINDOWS), "sparkline": False},
            ["24h Change (%)", "Market Cap", "24h Volume", *(f"{w} Change (%)" for w in WINDOWS if w != "24h")],
        ),
    ],
)
def test_the_columns_follow_the_windows_asked_for(asked, headers) -> None:
    answer = shown(MARKET, market(2), **asked)
    assert answer["headers"][5:] == headers
    assert all(len(row) == len(answer["headers"]) for row in answer["rows"])


def test_more_columns_come_last_in_the_order_asked_for() -> None:
    rows = market(2)
    answer = shown(MARKET, rows, columns="low_24h,Market_Cap_Rank", sparkline="0")
    assert answer["headers"][-2:] == ["24h Low", "Rank"]
    assert [row[-2:] for row in answer["rows"]] == [[r["low_24h"], r["market_cap_rank"]] for r in rows]
    with pytest.raises(Refused, match="columns must be a comma list of market_cap_rank, category"):
        parse_params(MARKET, {"columns": "rank,nonsense"}, 1000)


def test_a_window_column_holds_that_window() -> None:
    rows = market(2)
    answer = shown(MARKET, rows, price_change_percentage="1y,200d", sparkline="0")
    assert [row[-2:] for row in answer["rows"]] == [[r["price_change_1y"], r["price_change_200d"]] for r in rows]


def test_row_counts_within_the_sorted_result_across_pages() -> None:
    answer = shown(MARKET, market(10), sort_by="market_cap", sort_order="asc", page=2, page_size=4)
    assert [row[0] for row in answer["rows"]] == [5, 6, 7, 8]
    assert [row[3] for row in answer["rows"]] == ["Monero", "Dogecoin", "Solana", "Tether"]


def test_per_page_bounds_what_the_query_looks_at() -> None:
    assert [row[3] for row in shown(MARKET, market(10), per_page=3, sort_by="price", sort_order="asc")["rows"]] == [
        "Tether",
        "Ethereum",
        "Bitcoin",
    ]
    assert shown(MARKET, market(10), per_page=3, search="maker")["rows"] == []


# --- heatmap ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "content", "color"),
    [
        (2.34, "BTC 2.34%", "green"),
        (2.345678, "BTC 2.35%", "green"),
        (-1.2, "BTC -1.20%", "red"),
        (0, "BTC 0.00%", "gray"),
        (-0.0, "BTC 0.00%", "gray"),
        (-0.001, "BTC 0.00%", "red"),
        (None, "BTC", "gray"),
        (1234567.891, "BTC 1234567.89%", "green"),
    ],
)
def test_a_tile_reads_as_documented(change, content, color) -> None:
    assert shown(HEATMAP, [coin("bitcoin", symbol="BTC", market_cap=5, price_change_24h=change)]) == [
        {"size": 5, "content": content, "symbol": "BTC", "price_change_24h": change, "market_cap": 5, "color": color}
    ]


def test_the_keys_of_a_tile_stand_in_the_documented_order() -> None:
    assert list(shown(HEATMAP, market(1))[0]) == [
        "size",
        "content",
        "symbol",
        "price_change_24h",
        "market_cap",
        "color",
    ]


def test_the_heatmap_is_filtered_by_its_own_fields() -> None:
    rows = market(4)
    assert [tile["symbol"] for tile in shown(HEATMAP, rows, filters={"color": "RED"})] == ["ETH", "SOL"]
    assert [tile["symbol"] for tile in shown(HEATMAP, rows, filters={"content": {"startswith": "btc "}})] == ["BTC"]


@pytest.mark.parametrize(
    ("raw", "blocks", "ranks"),
    [
        ({}, [1], (1, 250)),
        ({"page": 2}, [1], (251, 500)),
        ({"page": 3}, [2], (501, 750)),
        ({"page": 2, "per_page": 300}, [1, 2], (301, 600)),
        ({"page": 3, "per_page": 300}, [2], (601, 900)),
        ({"page": 2, "per_page": 500}, [2], (501, 1000)),
        ({"page": 1, "per_page": 1}, [1], (1, 1)),
        ({"page": 1000, "per_page": 1}, [2], (1000, 1000)),
        ({"page": 3, "page_size": 20}, [1], (41, 60)),
    ],
)
def test_a_heatmap_page_is_the_providers_unless_page_size_makes_it_the_views(raw, blocks, ranks) -> None:
    everything = market(1000)
    subscription = view_of(HEATMAP, raw, 1000)
    assert subscription.datasets == tuple(Dataset("markets", "usd", block=block) for block in blocks)
    rows = [row for block in blocks for row in everything[(block - 1) * 500 : block * 500]]
    tiles = json.loads(Answer(subscription, coin_table(rows)).data)
    first, last = ranks
    assert [tile["market_cap"] for tile in tiles] == [row["market_cap"] for row in everything[first - 1 : last]]


@pytest.mark.parametrize("raw", [{"page": 5}, {"page": 3, "per_page": 500}, {"page": 10**6}])
def test_past_the_depth_the_error_names_the_limit(raw) -> None:
    with pytest.raises(Refused, match="1000") as caught:
        view_of(HEATMAP, raw, 1000)
    assert caught.value.field == "page"


# --- ticker tape ------------------------------------------------------------------------------------------------------


def test_the_tape_keeps_the_order_of_its_coins() -> None:
    rows = market(4)
    answer = shown(TAPE, rows, coin_ids="tether,bitcoin, TETHER ,nothing-there", vs_currency="EUR")
    assert answer == [
        {
            "logo": r["logo"],
            "symbol_pair": f"{r['symbol']}/EUR",
            "price": r["price"],
            "change_pct_24h": r["price_change_24h"],
            "name": r["name"],
        }
        for r in (rows[2], rows[0])
    ]


def test_the_tape_is_filtered_and_sorted_by_its_pair() -> None:
    rows = market(4)
    ids = "solana,tether,bitcoin"
    assert [item["name"] for item in shown(TAPE, rows, coin_ids=ids, filters={"symbol_pair": "btc/usd"})] == ["Bitcoin"]
    assert shown(TAPE, rows, coin_ids=ids, filters={"symbol_pair": "btc/eur"}) == []
    assert [item["symbol_pair"] for item in shown(TAPE, rows, coin_ids=ids, sort_by="symbol_pair")] == [
        "BTC/USD",
        "SOL/USD",
        "USDT/USD",
    ]
    assert [item["name"] for item in shown(TAPE, rows, coin_ids=ids, search="eth")] == ["Tether"]


# --- movers -----------------------------------------------------------------------------------------------------------


def naive_movers(rows, key, *, descending, count, floor=0.0):
    have = [
        r
        for r in rows
        if r[key] is not None and (r["volume_24h"] or 0) >= floor and (not floor or r["volume_24h"] is not None)
    ]
    return sorted(have, key=lambda r: (-r[key] if descending else r[key], r["id"]))[:count]


@pytest.mark.parametrize(
    ("feed", "key", "descending"),
    [(GAINERS, "price_change_7d", True), (LOSERS, "price_change_7d", False), (ACTIVE, "volume_24h", True)],
)
def test_movers_rank_as_documented(feed, key, descending) -> None:
    rows = [*market(30), coin("novalue", volume_24h=1e12)]
    answer = shown(feed, rows, price_change_percentage="7d,24h", per_page=5, min_volume=0)
    expected = naive_movers(rows, key, descending=descending, count=5)
    assert answer == [
        {
            "rank": n,
            "name": r["name"],
            "logo": r["logo"],
            "symbol": r["symbol"],
            "price": r["price"],
            "market_cap": r["market_cap"],
            "volume_24h": r["volume_24h"],
            "price_change_7d": r["price_change_7d"],
            "price_change_24h": r["price_change_24h"],
        }
        for n, r in enumerate(expected, 1)
    ] or (feed is ACTIVE and answer[0]["name"] == "Novalue")
    assert list(answer[0])[-2:] == ["price_change_7d", "price_change_24h"]


def test_a_rank_stays_with_its_coin_when_the_view_is_sorted_otherwise() -> None:
    rows = [row | {"price_change_24h": change + 1} for change, row in enumerate(market(10))]
    ranked = {item["name"]: item["rank"] for item in shown(GAINERS, rows, min_volume=0)}
    resorted = shown(GAINERS, rows, min_volume=0, sort_by="name", page=2, page_size=3)
    assert [item["name"] for item in resorted] == sorted(ranked)[3:6]
    assert all(item["rank"] == ranked[item["name"]] for item in resorted)
    assert [item["rank"] for item in shown(GAINERS, rows, min_volume=0, sort_by="rank", sort_order="desc")] == list(
        range(10, 0, -1)
    )


def test_dust_is_left_out_of_the_movers_unless_it_is_asked_for() -> None:
    dollar = coin("tether", price=0.5, price_change_24h=0.1, volume_24h=1e9)
    dust = coin("dust", price_change_24h=900.0, volume_24h=DUST_VOLUME_USD * 0.5 - 1)
    fair = coin("fair", price_change_24h=9.0, volume_24h=DUST_VOLUME_USD * 0.5)
    unknown = coin("unknown", price_change_24h=99.0)
    rows = [dollar, dust, fair, unknown]
    assert [item["name"] for item in shown(GAINERS, rows)] == ["Fair", "Tether"]
    assert [item["name"] for item in shown(GAINERS, rows, min_volume="0")] == ["Dust", "Unknown", "Fair", "Tether"]
    assert [item["name"] for item in shown(GAINERS, rows, min_volume=1e6)] == ["Tether"]


def test_gainers_have_gained_and_losers_have_lost() -> None:
    changes = {"up": 1.5, "flat": 0.0, "down": -0.5, "unknown": None}
    rows = [coin(name, price_change_24h=change, volume_24h=1e9) for name, change in changes.items()]
    assert [item["name"] for item in shown(GAINERS, rows)] == ["Up"]
    assert [item["name"] for item in shown(LOSERS, rows)] == ["Down"]


def test_a_least_market_cap_leaves_out_smaller_and_unknown_ones() -> None:
    rows = [coin("a", market_cap=10, volume_24h=3), coin("b", market_cap=5, volume_24h=2), coin("c", volume_24h=1)]
    assert [item["name"] for item in shown(ACTIVE, rows, min_market_cap=10)] == ["A"]
    assert [item["name"] for item in shown(ACTIVE, rows)] == ["A", "B", "C"]


# --- candles ----------------------------------------------------------------------------------------------------------


def test_candles_are_the_documented_points_oldest_first() -> None:
    rows = candles(5)
    assert shown(OHLCV, rows, coin_id="bitcoin", days=1) == rows
    assert list(shown(OHLCV, rows, coin_id="bitcoin")[0]) == ["timestamp", "open", "high", "low", "close", "volume"]


@pytest.mark.parametrize(
    ("days", "span"), [(1, 1), (2, 7), (7, 7), (8, 14), (14, 14), (15, 30), (31, 90), (91, 180), (181, 365), (365, 365)]
)
def test_days_are_served_from_the_next_longer_range_and_trimmed(days, span) -> None:
    assert candle_range(days) == span
    subscription = view_of(OHLCV, {"coin_id": "bitcoin", "days": days}, 1000)
    assert subscription.datasets == (Dataset("candles", "usd", "bitcoin", span),)
    step = DAY // 4
    rows = candles(span * 4, step)
    times = [row["timestamp"] for row in json.loads(Answer(subscription, OHLCV.table(rows)).data)]
    assert len(times) == days * 4
    assert times[-1] - times[0] == days * DAY - step


def test_a_time_range_includes_both_its_ends() -> None:
    rows = candles(10)
    times = [row["timestamp"] for row in rows]
    answer = shown(OHLCV, rows, coin_id="bitcoin", start_time=times[2], end_time=times[4], time_field="x")
    assert [row["timestamp"] for row in answer] == times[2:5]
    seconds = shown(OHLCV, rows, coin_id="bitcoin", start_time=times[2] // 1000, end_time=str(times[4] // 1000))
    assert seconds == answer


def test_candles_without_a_value_say_null() -> None:
    rows = [candles(1)[0] | {"volume": None}]
    assert shown(OHLCV, rows, coin_id="bitcoin")[0]["volume"] is None


# --- listings ---------------------------------------------------------------------------------------------------------


def test_announcements_are_shown_whole_and_newest_first() -> None:
    rows = listings(4)
    assert shown(LISTINGS_FEED, rows) == rows
    assert list(shown(LISTINGS_FEED, rows)[0]) == [
        "id",
        "exchange",
        "type",
        "title",
        "tickers",
        "published_at",
        "detected_at",
        "received_at",
        "source",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"cex": "binance"}, [0, 3, 6, 9]),
        ({"cex": "UPBIT, bithumb,"}, [1, 2, 4, 5, 7, 8, 10, 11]),
        ({"cex": ["binance"], "type": "spot_delisting"}, [3, 9]),
        ({"type": "spot_listing,spot_delisting"}, list(range(12))),
        ({"ticker": "btc"}, [0, 10]),
        ({"ticker": "T3,t5"}, [3, 5]),
        ({"ticker": "T"}, []),
        ({"cex": "nobody"}, []),
        ({"filters": {"tickers": {"contains": "t3"}}}, [3]),
        ({"filters": {"Exchange": ["Binance"], "type": "spot_listing"}}, [0, 6]),
        ({"search": "upbit announces", "sort_by": "received_at", "sort_order": "asc"}, [10, 7, 4, 1]),
        ({"cex": "upbit", "page": 2, "page_size": 3}, [10]),
        ({"start_time": 1_720_000_000_000 - 60_000, "end_time": "2024-07-03T09:46:40Z"}, [0, 1]),
    ],
)
def test_announcements_are_picked_by_exchange_type_ticker_words_and_time(raw, expected) -> None:
    assert [row["id"] for row in shown(LISTINGS_FEED, listings(12), **raw)] == [f"a{n}" for n in expected]


def test_equal_wishes_for_announcements_are_one_group() -> None:
    one, other = (view_of(LISTINGS_FEED, {"cex": cex}, 1000) for cex in ("upbit,Binance", "binance,upbit,upbit"))
    assert one.key == other.key


# --- on-chain ---------------------------------------------------------------------------------------------------------


def test_on_chain_events_are_shown_as_they_came() -> None:
    rows = events(3)
    assert shown(ONCHAIN, rows, **REQUIRED["onchain"]) == rows
    assert [row["id"] for row in shown(ONCHAIN, rows, **REQUIRED["onchain"], search="0x1")] == ["e1"]


@pytest.mark.parametrize(
    ("raw", "topic"),
    [
        ({"channel": "KLINE", "interval": "5m"}, "kline.14.0xab5801a7.5m"),
        ({"channel": "transaction", "interval": None}, "transaction.14.0xab5801a7"),
        (
            {"channel": "token_metric", "platform_id": "16", "address": "So11111111111112", "interval": None},
            "token_metric.16.So11111111111112",
        ),
    ],
)
def test_an_on_chain_topic_is_named_after_its_parameters(raw, topic) -> None:
    asked = {name: value for name, value in (REQUIRED["onchain"] | raw).items() if value is not None}
    [dataset] = view_of(ONCHAIN, asked, 1000).datasets
    assert dataset == Dataset("onchain", topic=topic) == Dataset.parse(dataset.name)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"interval": None}, "missing_field", "interval"),
        ({"channel": "transaction"}, "bad_value", "interval"),
        ({"channel": "blocks"}, "bad_value", "channel"),
        ({"channel": None}, "missing_field", "channel"),
        ({"address": None}, "missing_field", "address"),
        ({"platform_id": None}, "missing_field", "platform_id"),
    ],
)
def test_an_on_chain_topic_that_cannot_be_is_refused(change, code, field) -> None:
    asked = {name: value for name, value in (REQUIRED["onchain"] | change).items() if value is not None}
    with pytest.raises(Refused) as caught:
        view_of(ONCHAIN, asked, 1000)
    assert (caught.value.code, caught.value.field) == (code, field)


# --- all of them ------------------------------------------------------------------------------------------------------

COIN_FEEDS = [feed for feed in FEEDS.values() if feed.table is coin_table]


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
@pytest.mark.parametrize("envelope", [False, True])
def test_encoded_rows_and_cells_say_the_same(feed, envelope) -> None:
    rows = rows_of(feed.channel, 6)
    view = view_of(feed, REQUIRED.get(feed.channel, {}) | {"search": ""}, 1000)
    answer = Answer(view, feed.table(rows), extended=envelope)
    data = json.loads(answer.data)
    cells = json.loads(orjson.dumps(answer.cells()))
    if feed is MARKET:
        beside = {name: [row.pop(name) for row in cells] for name in ("ids", "as_of", "stale") if name in cells[0]}
        assert [{str(n): value for n, value in enumerate(row)} for row in data["rows"]] == cells
        assert beside | ({"ids": answer.keys()} if envelope else {}) == {
            name: data[name] for name in data if name not in ("headers", "rows")
        }
    else:
        assert data == cells


@pytest.mark.parametrize("feed", [feed for feed in COIN_FEEDS if feed is not MARKET], ids=lambda feed: feed.channel)
def test_the_envelope_adds_every_promised_field_and_takes_none(feed) -> None:
    rows = market(6)
    raw = REQUIRED.get(feed.channel, {})
    rich = json.loads(Answer(view_of(feed, raw, 1000), feed.table(rows), extended=True).data)
    promised = {
        "id",
        "symbol",
        "name",
        "logo",
        "category",
        "price",
        "market_cap",
        "volume_24h",
        "market_cap_rank",
        "high_24h",
        "low_24h",
        *(f"price_change_{w}" for w in WINDOWS),
        "as_of",
        "stale",
    }
    for plain, full in zip(shown(feed, rows, **raw), rich, strict=True):
        assert promised <= full.keys()
        assert {name: full[name] for name in plain} == plain


@pytest.mark.parametrize("feed", COIN_FEEDS, ids=lambda feed: feed.channel)
def test_coins_are_filtered_and_sorted_by_their_category(feed) -> None:
    rows = [{**row, "category": ("Layer 1", None, "DeFi")[n % 3]} for n, row in enumerate(market(9))]
    raw = REQUIRED.get(feed.channel, {}) | {"min_volume": 0, "min_market_cap": 0}
    names = {param.name for param in feed.params}
    asked = {name: raw[name] for name in raw if name in names} | ({"per_page": 9} if "per_page" in names else {})
    names = {row["id"]: row["category"] for row in rows}

    def of(**view: object) -> list[str | None]:
        answer = Answer(view_of(feed, asked | view, 1000), feed.table(rows), extended=True)
        return list(map(names.__getitem__, answer.keys()))

    everybody = of()
    assert of(filters={"category": "layer 1"}) == [one for one in everybody if one == "Layer 1"]
    assert of(filters={"category": ["DeFi", None]}) == [one for one in everybody if one in ("DeFi", None)]
    assert of(sort_by="category") == sorted(everybody, key=lambda one: (one is None, one or ""))


@pytest.mark.parametrize("feed", [feed for feed in COIN_FEEDS if feed is not MARKET], ids=lambda feed: feed.channel)
def test_a_snapshot_from_before_there_were_categories_is_served_without_any(feed) -> None:
    rows, raw = market(6), REQUIRED.get(feed.channel, {})
    rich = json.loads(Answer(view_of(feed, raw, 1000), feed.table(rows), extended=True).data)
    assert [row["category"] for row in rich] == [None] * len(rich)
    old = Columns.unpack(*Columns.pack(rows))
    assert json.loads(Answer(view_of(feed, raw, 1000), feed.table(old), extended=True).data) == rich


def test_no_documented_shape_has_a_category() -> None:
    rows = [{**row, "category": "Layer 1"} for row in market(6)]
    for feed in COIN_FEEDS:
        assert "Layer 1" not in json.dumps(shown(feed, rows, **REQUIRED.get(feed.channel, {})))


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_no_rows_are_an_empty_answer(feed) -> None:
    answer = shown(feed, [], **REQUIRED.get(feed.channel, {}))
    assert answer == ([] if feed is not MARKET else {"headers": answer["headers"], "rows": []})


def test_every_feed_says_what_it_takes() -> None:
    for channel, feed in FEEDS.items():
        assert feed.channel == channel
        assert all(param.allowed for param in feed.params)
    defaults = {param.default for feed in [*COIN_FEEDS, OHLCV] for param in feed.params if param.name == "vs_currency"}
    assert defaults == {"usd"}


# --- upstream parameters ----------------------------------------------------------------------------------------------

WRONG = [
    (
        MARKET,
        "vs_currency",
        ["", " ", "u", "u$d", "../..", "x" * 11, 5, ["usd"], {"a": 1}, "usd\n\nx", "\uff55\uff53\uff44"],
    ),
    (MARKET, "per_page", [0, -1, 501, "x", 1.5, True, [], "1e2", 10**30, float("nan")]),
    (MARKET, "sparkline", ["maybe", 2, [], "nan", 1.5]),
    (MARKET, "price_change_percentage", ["2h", "", ",", 5, [5], "24h;7d", "24h,bogus"]),
    (HEATMAP, "price_change_percentage", ["7d", "24h,7d", "", []]),
    (HEATMAP, "page", [0, -1, "x", 1.5]),
    (GAINERS, "per_page", [0, 251]),
    (GAINERS, "min_volume", [-1, "x", "nan", "inf", 1e300, True, []]),
    (GAINERS, "min_market_cap", [-1, "-inf"]),
    (OHLCV, "days", [0, 366, -1, "max", 1.5, True, "", [30]]),
    (
        OHLCV,
        "coin_id",
        [
            "../..",
            "..",
            ".",
            "../../ping",
            "%2e%2e",
            "..%2f",
            "bitcoin/../x",
            "bitcoin?x=1",
            "bitcoin#",
            "//evil",
            "@evil",
            "a\r\nb",
            "a\0",
            "\uff0e\uff0e",
            "x" * 10_240,
            5,
            [],
            "-x",
            "",
            " ",
        ],
    ),
    (LISTINGS_FEED, "cex", [5, [5], {"a": 1}, ",".join(f"e{n}" for n in range(51)), "x" * 41, "a\0b"]),
    (LISTINGS_FEED, "ticker", [True, "x" * 41]),
    (ONCHAIN, "platform_id", [0, -1, "x", 10**9, 1.5]),
    (ONCHAIN, "address", ["", "short", "0x" + "a" * 99, "a.b.c.d.e", "a:b:c:d:e", "..%2f..%2f", "ä" * 10, 5]),
    (ONCHAIN, "interval", ["", "m", "1", "1y", "1000m", "1.5m", 60]),
    (TAPE, "coin_ids", ["", ",", ",".join(f"c{n}" for n in range(51)), "../..", [5], 5, {"a": 1}, "a b"]),
]


@pytest.mark.parametrize(
    ("feed", "name", "value"),
    [(feed, name, value) for feed, name, values in WRONG for value in values if value is not None],
)
def test_a_bad_upstream_parameter_is_refused_by_name(feed, name, value) -> None:
    raw = REQUIRED.get(feed.channel, {}) | {name: value}
    with pytest.raises(Refused) as caught:
        parse_params(feed, raw, 1000)
    assert caught.value.field == name
    assert caught.value.code in ("bad_value", "missing_field")
    assert name in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(("feed", "name"), [(TAPE, "coin_ids"), (OHLCV, "coin_id")])
def test_what_is_required_is_asked_for(feed, name) -> None:
    with pytest.raises(Refused) as caught:
        parse_params(feed, {}, 1000)
    assert (caught.value.code, caught.value.field) == ("missing_field", name)


def test_documented_defaults_hold() -> None:
    assert parse_params(MARKET, {}, 1000) == {
        "vs_currency": "usd",
        "per_page": 250,
        "sparkline": True,
        "price_change_percentage": ("24h", "7d"),
        "columns": (),
    }
    assert parse_params(HEATMAP, {}, 1000) == {
        "vs_currency": "usd",
        "per_page": 250,
        "page": 1,
        "price_change_percentage": ("24h",),
    }
    assert parse_params(OHLCV, {"coin_id": "Bitcoin"}, 1000) == {"coin_id": "bitcoin", "vs_currency": "usd", "days": 30}
    for feed in (GAINERS, LOSERS, ACTIVE):
        params = parse_params(feed, {}, 1000)
        assert (params["per_page"], params["price_change_percentage"]) == (10, ("24h",))


def test_fifty_coins_pass_whatever_the_spelling() -> None:
    ids = [f"c{n}" for n in range(50)]
    assert parse_params(TAPE, {"coin_ids": ids}, 1000)["coin_ids"] == tuple(ids)
    assert parse_params(TAPE, {"coin_ids": ",".join([*ids, "c0", ""])}, 1000)["coin_ids"] == tuple(ids)


def test_the_universe_of_a_tape_skips_what_the_table_lacks() -> None:
    table = coin_table(market(2))
    assert (
        TAPE.universe(table, {"coin_ids": ("x", "ethereum"), "vs_currency": "usd"}).order.tolist()
        == np.array([1]).tolist()
    )
