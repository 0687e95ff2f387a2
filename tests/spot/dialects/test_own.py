"""Frames and messages: errors in one shape, deltas that add up, CSV that no spreadsheet runs, no input that raises."""

import csv
import io
import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot.codes import CLOSES, ERRORS, Close, Refused, bad_value
from spot.dialects.base import Amend, Export, Ping, Resync
from spot.dialects.csv_export import csv_text, export_name
from spot.dialects.messages import MAX_MESSAGE, read
from spot.feeds import FEEDS, MARKET, OHLCV, TAPE, coin_table
from spot.feeds.answer import Answer
from spot.feeds.view import view_of
from tests.spot.query.test_query import json_values
from tests.spot.rows import FACTS, candles, coin, coin_rows, market, rows_of
from tests.spot.written import (
    delta_frame,
    error_frame,
    export_frame,
    heartbeat_frame,
    notice_frame,
    pong_frame,
    snapshot_frame,
    status_frame,
)

REQUIRED = {
    "ticker-tape": {"coin_ids": "cab,bitcoin,tether,ethereum,solana"},
    "historical-ohlcv": {"coin_id": "bitcoin"},
}


def answer(feed, rows, *, envelope=True, **raw):
    view = view_of(feed, REQUIRED.get(feed.channel, {}) | raw, 1000)
    return Answer(view, feed.table(rows), extended=envelope)


# --- the envelope -----------------------------------------------------------------------------------------------------


def test_the_envelope_says_whence_and_how_old() -> None:
    frame = json.loads(
        snapshot_frame(answer(MARKET, market(30), page=2, page_size=10, search="e"), FACTS, 12, stale=True)
    )
    data, params = frame.pop("data"), frame.pop("params")
    assert frame == {
        "type": "snapshot",
        "channel": "market",
        "seq": 12,
        "epoch": "e1",
        "version": 7,
        "as_of": 1_700_000_000_000,
        "fetched_at": 1_700_000_001_000,
        "max_age_ms": 60_000,
        "source": "acme",
        "source_label": "Acme",
        "source_url": None,
        "simulated": False,
        "stale": True,
        "total": 18,
        "page": 2,
        "pages": 2,
    }
    assert params["search"] == "e"
    assert len(data["rows"]) == len(data["ids"]) == 8


def test_candles_say_what_their_volume_means() -> None:
    facts = replace(FACTS, meta={"interval_ms": 1_800_000, "volume_basis": "rolling_24h"})
    frame = json.loads(snapshot_frame(answer(OHLCV, candles(3)), facts, 1, stale=False))
    assert (frame["interval_ms"], frame["volume_basis"]) == (1_800_000, "rolling_24h")


@pytest.mark.parametrize(
    ("as_of", "fetched_at", "now", "age", "stale"),
    [
        (1000, 2000, 61_000, 60_000, False),
        (1000, 2000, 61_001, 60_001, True),
        (None, 2000, 62_001, 60_001, True),
        (9000, 2000, 3000, 1000, False),
        (1000, 2000, 500, 0, False),
    ],
)
def test_age_is_counted_from_the_older_of_their_time_and_ours(as_of, fetched_at, now, age, stale) -> None:
    facts = replace(FACTS, as_of=as_of, fetched_at=fetched_at)
    assert (facts.age_ms(now), facts.stale(now)) == (age, stale)


# --- deltas -----------------------------------------------------------------------------------------------------------


def applied(page: dict, delta: dict) -> dict:
    """What a careful client makes of its page (rows by key, in order) and a delta, knowing only the documentation."""
    rows = {key: dict(row) for key, row in page.items()}
    for key, cells in delta["changed"].items():
        rows[key] |= cells
    rows |= delta.get("entered", {})
    for key in delta.get("left", []):
        del rows[key]
    return {key: rows[key] for key in delta.get("order", list(rows))}


def page_of(frame: dict) -> dict:
    """The rows of a snapshot frame by their key."""
    data = frame["data"]
    if isinstance(data, dict):
        beside = zip(data["as_of"], data["stale"], strict=True)
        return {
            key: {str(n): cell for n, cell in enumerate(row)} | {"as_of": as_of, "stale": stale}
            for key, row, (as_of, stale) in zip(data["ids"], data["rows"], beside, strict=True)
        }
    return {str(row["timestamp"] if "timestamp" in row else row["id"]): row for row in data}


COIN_FEEDS = [feed for feed in FEEDS.values() if feed.table is coin_table]
coins_over_time = st.lists(coin_rows(max_size=8), min_size=2, max_size=4)


@pytest.mark.parametrize("feed", COIN_FEEDS, ids=lambda feed: feed.channel)
@settings(max_examples=40)
@given(
    moments=coins_over_time,
    view=st.sampled_from(
        [
            {},
            {"page_size": 3},
            {"sort_by": "price", "page_size": 4},
            {"search": "a"},
            {"sort_by": "name", "page": 2, "page_size": 2},
        ]
    ),
)
def test_a_page_and_its_deltas_are_the_next_page(feed, moments, view) -> None:
    if feed is TAPE:
        view = view | {"coin_ids": "ca,cb,cz,c0,c9,c-"}
    if any(param.name == "min_volume" for param in feed.params):
        view = view | {"min_volume": 0}
    old = answer(feed, moments[0], delta=True, **view)
    page = page_of(json.loads(snapshot_frame(old, FACTS, 0, stale=False)))
    for seq, rows in enumerate(moments[1:], 1):
        new = answer(feed, rows, delta=True, **view)
        frame = json.loads(delta_frame(old, new, FACTS, seq - 1, seq, stale=False))
        assert (frame["type"], frame["base"], frame["seq"]) == ("delta", seq - 1, seq)
        full = page_of(json.loads(snapshot_frame(new, FACTS, seq, stale=False)))
        page, old = applied(page, frame), new
        assert list(page.items()) == list(full.items())


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5), st.floats(1, 9)), min_size=2, max_size=4))
def test_candles_and_their_deltas_are_the_next_candles(moments) -> None:
    def rows(start, count, close):
        return [row | {"close": close} if n % 2 else row for n, row in enumerate(candles(10)[start : start + count])]

    old = answer(OHLCV, rows(*moments[0]))
    page = page_of(json.loads(snapshot_frame(old, FACTS, 0, stale=False)))
    for seq, moment in enumerate(moments[1:], 1):
        new = answer(OHLCV, rows(*moment))
        page = applied(page, json.loads(delta_frame(old, new, FACTS, seq - 1, seq, stale=False)))
        assert list(page.items()) == list(page_of(json.loads(snapshot_frame(new, FACTS, seq, stale=False))).items())
        old = new


def test_a_delta_holds_only_what_changed() -> None:
    rows = market(5)
    moved = [row | {"price": 1.5} if row["id"] == "tether" else row for row in rows]
    frame = json.loads(delta_frame(answer(MARKET, rows), answer(MARKET, moved), FACTS, 3, 4, stale=False))
    assert frame["changed"] == {"tether": {"4": 1.5}}
    assert not frame.keys() & {"entered", "left", "order", "data", "params"}
    assert {"epoch", "version", "as_of", "fetched_at", "stale", "total", "page", "pages"} <= frame.keys()


def test_a_delta_says_what_came_and_went_and_how_they_stand() -> None:
    rows = market(4)
    frame = json.loads(delta_frame(answer(TAPE, rows[:3]), answer(TAPE, rows[1:]), FACTS, 1, 2, stale=False))
    assert frame["left"] == ["bitcoin"]
    assert list(frame["entered"]) == ["solana"]
    assert frame["entered"]["solana"]["symbol_pair"] == "SOL/USD"
    assert frame["order"] == ["tether", "ethereum", "solana"]


# --- control frames ---------------------------------------------------------------------------------------------------


def test_an_error_says_what_is_wrong_where_and_what_is_allowed() -> None:
    assert json.loads(error_frame(bad_value("page", "a whole number from 1 to 9", -1))) == {
        "type": "error",
        "code": "bad_value",
        "message": "page must be a whole number from 1 to 9, not -1.",
        "retry": False,
        "field": "page",
        "allowed": "a whole number from 1 to 9",
    }


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_has_its_close_code_and_status(code) -> None:
    frame = json.loads(error_frame(Refused(code, "No.")))
    assert frame == {"type": "error", "code": code, "message": "No.", "retry": ERRORS[code].retry}
    assert ERRORS[code].close in CLOSES
    assert 400 <= ERRORS[code].status < 600


def test_close_codes_invite_those_back_who_may_come_back() -> None:
    again = {code for code, fact in CLOSES.items() if fact.reconnect}
    assert {Close.RESTARTING, Close.OVERLOADED, Close.TOO_MANY_MESSAGES, Close.SLOW_READER} <= again
    assert not again & {
        Close.TOO_BIG,
        Close.BAD_REQUEST,
        Close.ORIGIN,
        Close.NOT_FOUND,
        Close.TOO_MANY_QUERIES,
        Close.TOO_MANY_CONNECTIONS,
    }


@pytest.mark.parametrize("got", ["x" * 5000, ["secret"], {"a": 1}, None, 10**50])
def test_what_was_sent_is_not_echoed_when_it_is_long_or_no_scalar(got) -> None:
    assert bad_value("page", "a number", got).message == "page must be a number."


def test_control_frames_are_objects_with_a_type() -> None:
    frames = [
        status_frame("market", "waiting", None, 5),
        status_frame("market", "stale", FACTS, 1_700_000_061_000, "no budget", 99),
        heartbeat_frame("market", FACTS, 3, 1_700_000_061_000),
        notice_frame("demo", "Demo."),
        pong_frame(5),
        export_frame(answer(MARKET, market(1)), "a,b"),
    ]
    parsed = [json.loads(frame) for frame in frames]
    assert [frame["type"] for frame in parsed] == ["status", "status", "heartbeat", "notice", "pong", "export"]
    assert parsed[0] == {
        "type": "status",
        "channel": "market",
        "state": "waiting",
        "reason": None,
        "as_of": None,
        "fetched_at": None,
        "age_ms": None,
        "source": None,
        "next_try_ms": None,
    }
    assert (parsed[1]["age_ms"], parsed[1]["reason"], parsed[1]["next_try_ms"]) == (61_000, "no budget", 99)
    assert (parsed[2]["age_ms"], parsed[2]["stale"], parsed[2]["ts"]) == (61_000, True, 1_700_000_061_000)


# --- CSV --------------------------------------------------------------------------------------------------------------

DANGEROUS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1+1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\u3000=1",
    "\u2003=1",
    "\u2060=1",
    "\x0b=1",
    "\x0c=1",
    "\x85=1",
    "\u2028=1",
    "\u202e=1",
    "\x00=1",
    " \t =1",
    "\u00ad=1",
]


def table_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("name", DANGEROUS)
def test_no_cell_of_a_csv_is_a_formula(name) -> None:
    text = csv_text(answer(MARKET, [coin("a", name=name, symbol=name)], envelope=False))
    row = table_of(text)[1]
    assert row[2] == row[3] == "'" + name.replace("\r\n", "\n")


@pytest.mark.parametrize("name", ["Bitcoin", "", "a=b", "x\n=1", 'quo"te', "a,b", "比特币", "1INCH", "$AI", "'quoted"])
def test_an_honest_name_is_left_alone(name) -> None:
    assert table_of(csv_text(answer(MARKET, [coin("a", name=name)], envelope=False)))[1][3] == name


def test_numbers_in_a_csv_are_untouched() -> None:
    rows = [coin("a", price=1.23456789012e-12, price_change_24h=-5.1, market_cap=10**15, volume_24h=None)]
    head, row = table_of(csv_text(answer(MARKET, rows, envelope=False, sparkline="0")))
    cells = dict(zip(head, row, strict=True))
    assert (cells["Price"], cells["24h Change (%)"], cells["Market Cap"], cells["24h Volume"]) == (
        "0.00000000000123456789012",
        "-5.1",
        str(10**15),
        "",
    )


def test_candles_in_a_csv_carry_a_time_that_people_can_read() -> None:
    text = csv_text(answer(OHLCV, candles(2), envelope=False))
    head, first, _ = table_of(text)
    assert head == ["timestamp", "open", "high", "low", "close", "volume", "time_utc"]
    assert (first[0], first[-1]) == ("1719998200000", "2024-07-03T09:16:40+00:00")
    assert text.endswith("\r\n")


@given(coin_rows())
def test_a_csv_reads_back_as_the_rows_it_was_made_of(rows) -> None:
    whole = Answer(
        answer(FEEDS["coin-heatmap"], rows, envelope=False, page_size=2).view.whole,
        FEEDS["coin-heatmap"].table(rows),
    )
    read = table_of(csv_text(whole))
    assert len(read) == len(rows) + 1
    if rows:
        sizes = [row[read[0].index("market_cap")] for row in read[1:]]
        assert [None if cell == "" else float(cell) for cell in sizes] == [row["market_cap"] for row in rows]


@pytest.mark.parametrize("channel", FEEDS)
def test_the_csv_of_nothing_has_the_columns_of_the_csv_of_something(channel) -> None:
    feed, rows = FEEDS[channel], rows_of(channel, 30)
    needed = {"channel": "kline", "platform_id": 1, "address": "0xab5801a7", "interval": "1m"}
    asked = REQUIRED.get(channel, {}) | (needed if channel == "onchain" else {})
    whole = view_of(feed, asked, 1000).whole
    full, empty = (table_of(csv_text(Answer(whole, feed.table(some)), "acme")) for some in (rows, rows[:0]))
    assert len(full) > 1
    assert empty == full[:1]


def test_the_csv_of_coins_names_each_by_its_id_and_its_source() -> None:
    head, row = table_of(csv_text(answer(FEEDS["coin-heatmap"], [coin("a-1")], envelope=False), "acme"))
    assert head == ["size", "content", "symbol", "price_change_24h", "market_cap", "color", "id", "source"]
    assert row[-2:] == ["a-1", "acme"]


def test_an_export_has_a_name_to_save_it_under() -> None:
    assert (
        export_name(answer(OHLCV, candles(1), vs_currency="eur", days=7).view) == "historical-ohlcv-bitcoin-eur-7d.csv"
    )
    assert export_name(answer(MARKET, []).view) == "market-usd.csv"


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{}", "bad_message"),
        ("", "bad_message"),
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ("null", "bad_message"),
        ('"x"', "bad_message"),
        ("5", "bad_message"),
        ("NaN", "bad_message"),
        ('{"page": NaN}', "bad_message"),
        ('{"page": 1e999}', "bad_message"),
        ('{"page": Infinity}', "bad_message"),
        ("[" * 100_000, "bad_message"),
        ('{"filters":' * 20_000, "bad_message"),
        ('{"page": ' + "9" * 5000 + "}", "bad_message"),
        ('{"search": "\\ud800"}', "bad_message"),
        ("\ud800", "bad_message"),
        ('{"search": "\ud800"}', "bad_message"),
        ('{"search": "' + "x" * MAX_MESSAGE + '"}', "bad_message"),
        ('{"search": "' + "币" * (MAX_MESSAGE // 2) + '"}', "bad_message"),
        ('{"action": "explode"}', "bad_value"),
        ('{"action": ["ping"]}', "bad_value"),
        ('{"action": null}', "bad_value"),
        ('{"action": {"a": 1}}', "bad_value"),
        ('{"action": "export", "format": "xlsx"}', "bad_value"),
        ('{"action": "export", "format": ["csv"]}', "bad_value"),
        ('{"action": "ping", "page": 2}', "unknown_field"),
        ('{"action": "export", "search": "x"}', "unknown_field"),
        ("\x00", "bad_message"),
        ("{'page': 1}", "bad_message"),
        ('{"page": 1,}', "bad_message"),
    ],
)
def test_a_bad_message_is_refused_in_words(text, code) -> None:
    with pytest.raises(Refused) as caught:
        read(text)
    assert caught.value.code == code
    assert json.loads(error_frame(caught.value))["message"]


@pytest.mark.parametrize(("action", "command"), [("ping", Ping()), ("resync", Resync()), ("export", Export())])
def test_an_action_is_understood(action, command) -> None:
    assert read(json.dumps({"action": action})) == command
    assert read('{"action":"export","format":"csv"}') == Export()


def test_anything_else_changes_parameters() -> None:
    command = read(' {"search":"eth","page":1,"filters":null} ')
    assert command == Amend({"search": "eth", "page": 1, "filters": None})


@settings(max_examples=300)
@given(
    st.text()
    | json_values.map(json.dumps)
    | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    | st.binary()
)
def test_no_message_raises_anything_but_a_refusal(text) -> None:
    with suppress(Refused):
        read(text)


def test_data_fetched_later_than_now_are_of_an_unknown_age_and_stale() -> None:
    now = FACTS.fetched_at - 3_600_000  # the clock has been set back by an hour
    assert (FACTS.age_ms(now), FACTS.stale(now)) == (None, True)
    assert (FACTS.age_ms(FACTS.fetched_at - 1_000), FACTS.stale(FACTS.fetched_at - 1_000)) == (0, False)
    beat = json.loads(heartbeat_frame("market", FACTS, 1, now))
    assert (beat["age_ms"], beat["stale"]) == (None, True)
