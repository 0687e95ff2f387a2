"""What a URL and a message ask for; documented requests, raw and percent-encoded, and what cannot be asked."""

import json
from contextlib import suppress
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot.codes import Refused
from spot.dialects.documented import Documented
from spot.dialects.envelope import Envelope
from spot.dialects.own import read_address
from spot.feeds import FEEDS, HEATMAP, MARKET, OHLCV, coin_table
from spot.feeds.answer import Answer
from spot.feeds.view import parameter_names, view_of
from spot.server.request_line import repair
from tests.spot.query.test_query import json_values
from tests.spot.rows import REQUIRED, candles, market, rows_of
from tests.spot.written import snapshot_frame

DEPTH = 1000
EXAMPLES = {
    "market": 'filters={"Symbol":"BTC"}&sort_by=Market Cap&sort_order=desc&page=1&page_size=20',
    "coin-heatmap": 'filters={"symbol":"BTC"}&sort_by=market_cap&sort_order=desc&page=1&page_size=20',
    "ticker-tape": "coin_ids=bitcoin,ethereum,tether&search=eth",
    "top-gainers": "sort_by=price_change_24h&sort_order=desc&page=1&page_size=10&price_change_percentage=24h,7d",
    "top-losers": "sort_by=price_change_24h&sort_order=asc&page=1&page_size=10&price_change_percentage=24h,7d",
    "most-active": "sort_by=volume_24h&sort_order=desc&page=1&page_size=10&price_change_percentage=24h,7d",
    "historical-ohlcv": "coin_id=bitcoin&days=30&page=1&page_size=100&"
    "start_time=1719878400000&end_time=1719882000000&time_field=timestamp",
    "listings": "cex=binance,upbit&type=spot_listing&search=announces&sort_by=received_at&page=1&page_size=5",
    "onchain": "channel=kline&platform_id=14&address=0xab5801a7&interval=1m",
}
ADDRESSES = {
    "coin-heatmap": "vs_currency=usd",
    "ticker-tape": "coin_ids=bitcoin,ethereum,tether&vs_currency=usd",
    "top-gainers": "vs_currency=usd&per_page=10&price_change_percentage=24h,7d",
    "top-losers": "vs_currency=usd&per_page=10&price_change_percentage=24h,7d",
    "most-active": "vs_currency=usd&per_page=10&price_change_percentage=24h,7d",
    "historical-ohlcv": "coin_id=bitcoin&vs_currency=usd&days=30",
}


def address(channel: str, query_string: str | bytes, **more):
    raw = query_string if isinstance(query_string, bytes) else query_string.encode()
    return read_address(FEEDS[channel], raw, DEPTH, **more)


def asked(channel: str, query_string: str | bytes, **more):
    return address(channel, query_string, **more)[0]


def said(view) -> dict:
    """The parameters in force, as an envelope frame shows them."""
    return json.loads(snapshot_frame(Answer(view, view.feed.table([]), extended=True)))["params"]


def written(text: str) -> list[bytes]:
    """A query string as clients put it on the wire: raw, mended by our server, encoded by a library, with pluses."""
    pairs = [tuple(pair.split("=", 1)) for pair in text.split("&")]
    mended = repair(b"GET /?%b HTTP/1.1" % text.encode())[6:-9]
    return [text.encode(), mended, urlencode(pairs).encode(), urlencode(pairs, quote_via=quote).encode()]


@pytest.mark.parametrize(("channel", "text"), [*EXAMPLES.items(), *ADDRESSES.items()])
def test_a_documented_request_is_the_same_however_it_is_written(channel, text) -> None:
    first, *others = [asked(channel, raw) for raw in written(text)]
    assert all(other.key == first.key for other in others)
    rows = candles(48, end=1719882000000) if channel == "historical-ohlcv" else rows_of(channel, 30)
    data = json.loads(Answer(first, FEEDS[channel].table(rows)).data)
    assert data["rows"] if channel == "market" else data


def test_the_first_example_shows_the_coin_it_filters_for() -> None:
    answer = json.loads(Answer(asked("market", EXAMPLES["market"]), coin_table(market(10))).data)
    assert [(row[0], row[2]) for row in answer["rows"]] == [(1, "BTC")]


def test_text_in_any_script_arrives_whole() -> None:
    rows = [row | {"name": "比特币 🚀"} if row["id"] == "solana" else row for row in market(5)]
    view = asked("market", urlencode({"search": "币 🚀"}))
    assert len(json.loads(Answer(view, coin_table(rows)).data)["rows"]) == 1
    mended = repair("GET /?search=币 🚀 HTTP/1.1".encode())[6:-9]
    assert asked("market", mended).key == view.key


def test_what_is_empty_is_not_said() -> None:
    assert asked("market", "search=&page=&filters=&sort_by=&vs_currency=").key == asked("market", "").key


@pytest.mark.parametrize("blank", ["filters=%20", "filters=+&search=%20", "filters=null", "filters=%7B%7D"])
def test_blank_filters_are_no_filters_in_the_envelope_too(blank) -> None:
    view = asked("market", blank + "&envelope=1")
    assert view.query.conditions == ()
    assert not said(view).get("filters")


# --- the dialect ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query_string", "dialect"),
    [
        ("", Documented()),
        ("envelope=1", Envelope()),
        ("envelope=TRUE&delta=1", Envelope(deltas=True)),
        ("status=1", Documented(statuses=True)),
        ("envelope=0&status=false&delta=0", Documented()),
    ],
)
def test_the_address_chooses_the_dialect(query_string, dialect) -> None:
    assert address("market", query_string)[1] == dialect


def test_the_subprotocol_asks_for_the_envelope_and_allows_deltas() -> None:
    assert address("market", "", envelope=True)[1] == Envelope()
    assert address("market", "delta=1", envelope=True)[1] == Envelope(deltas=True)


def test_deltas_need_the_envelope() -> None:
    with pytest.raises(Refused) as caught:
        asked("market", "delta=1")
    assert caught.value.field == "delta"


@pytest.mark.parametrize("mode", ["envelope", "status", "delta"])
def test_a_mode_is_fixed_when_connecting(mode) -> None:
    with pytest.raises(Refused) as caught:
        asked("market", "").updated({mode: 1}, DEPTH)
    assert caught.value.field == mode


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_changes_only_what_it_names() -> None:
    first = asked("market", "search=eth&sort_by=Price&page_size=5&page=2&vs_currency=eur")
    second = first.updated({"page": 1}, DEPTH)
    assert second.key == asked("market", "search=eth&sort_by=price&page_size=5&page=1&vs_currency=eur").key
    assert first.query.page == 2


def test_null_clears() -> None:
    first = asked("market", 'search=eth&filters={"symbol":"ETH"}&sort_by=Price&page_size=5&vs_currency=eur')
    cleared = first.updated(dict.fromkeys(("search", "filters", "sort_by", "page_size", "vs_currency")), DEPTH)
    assert cleared.key == asked("market", "").key


def test_clearing_what_is_required_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        asked("ticker-tape", "coin_ids=bitcoin").updated({"coin_ids": None}, DEPTH)
    assert caught.value.code == "missing_field"


def test_a_message_with_one_bad_field_changes_nothing() -> None:
    first = asked("market", "search=eth")
    before = (first.raw, first.key)
    with pytest.raises(Refused):
        first.updated({"search": "btc", "page": -1}, DEPTH)
    assert (first.raw, first.key) == before


def test_filters_may_be_an_object_or_its_text() -> None:
    first = asked("market", "")
    wish = {"Market Cap": {"gte": 1e9}, "symbol": ["BTC"]}
    assert first.updated({"filters": wish}, DEPTH).key == first.updated({"filters": json.dumps(wish)}, DEPTH).key


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_an_unknown_parameter_is_told_the_known_ones(feed) -> None:
    with pytest.raises(Refused) as caught:
        read_address(feed, b"bogus=1", DEPTH)
    assert (caught.value.code, caught.value.field) == ("unknown_field", "bogus")
    assert all(name in caught.value.message for name in parameter_names(feed))


def test_times_belong_to_what_has_them() -> None:
    with pytest.raises(Refused):
        asked("market", "start_time=5")
    assert asked("historical-ohlcv", "coin_id=bitcoin&start_time=1719878400").query.start == 1719878400000


@pytest.mark.parametrize(
    "query_string",
    [
        b"a" * 20_000,
        b"search=%ff%fe",
        b"&".join(b"page=%d" % n for n in range(200)),
        b"search=%ED%A0%80",
        b"%00=1",
        b"page=1;page_size=2",
        b"=1",
        b"\xff=\xff",
    ],
)
def test_a_query_string_that_is_none_is_refused(query_string) -> None:
    with pytest.raises(Refused) as caught:
        asked("market", query_string)
    assert caught.value.message
    caught.value.message.encode()


@given(st.binary(max_size=80) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_of_a_query_string_raise_anything_but_a_refusal(raw) -> None:
    for feed in (MARKET, OHLCV):
        with suppress(Refused):
            read_address(feed, raw, DEPTH)


@given(
    st.dictionaries(
        st.sampled_from(sorted({name for feed in FEEDS.values() for name in parameter_names(feed)}))
        | st.text(max_size=5),
        json_values,
        max_size=4,
    ),
    st.sampled_from(list(FEEDS.values())),
)
def test_no_message_raises_anything_but_a_refusal_and_what_is_taken_can_be_shown(changes, feed) -> None:
    first = view_of(feed, REQUIRED.get(feed.channel, {}), DEPTH)
    with suppress(Refused):
        second = first.updated(changes, DEPTH)
        hash(second.key)
        said(second)


# --- what it says of itself -------------------------------------------------------------------------------------------


def test_the_envelope_names_every_parameter_in_force() -> None:
    view = asked(
        "market",
        'filters={"Symbol":"BTC"}&search=b&sort_by=24h%20Change%20(%25)&page_size=20&price_change_percentage=24h,1y&envelope=1',
    )
    assert said(view) == {
        "vs_currency": "usd",
        "per_page": 250,
        "sparkline": True,
        "price_change_percentage": ["24h", "1y"],
        "columns": [],
        "filters": {"Symbol": "BTC"},
        "search": "b",
        "sort_by": "price_change_24h",
        "sort_order": "desc",
        "page_size": 20,
    }


def test_equal_wishes_share_a_key_and_different_ones_do_not() -> None:
    same = [
        asked("market", text).key
        for text in ("search=ETH", "search=eth&page=1", "search=%20eth&per_page=250&sparkline=true")
    ]
    assert len(set(same)) == 1
    other = [
        (view.key, dialect)
        for text in (
            "",
            "search=eth",
            "page=2",
            "page_size=5",
            "envelope=1",
            "vs_currency=eur",
            "sparkline=0",
            "status=1",
        )
        for view, dialect in [address("market", text)]
    ]
    assert len(set(other)) == len(other)
    assert asked("top-gainers", "").key != asked("top-losers", "").key


def test_the_whole_range_is_the_answer_without_its_pages() -> None:
    view = asked("market", "search=e&page=2&page_size=2&sort_by=price&sort_order=asc&envelope=1")
    whole = Answer(view.whole, coin_table(market(10)))
    assert whole.keys() == ["maker", "stellar", "monero", "dogecoin", "tether", "ethereum"]


def test_the_heatmaps_own_page_comes_back_when_page_size_is_cleared() -> None:
    first, _ = read_address(HEATMAP, b"page=2&page_size=20", DEPTH)
    assert (first.params["page"], first.query.page) == (1, 2)
    second = first.updated({"page_size": None}, DEPTH)
    assert (second.params["page"], second.query.page, second.query.page_size) == (2, 1, None)


def test_a_list_may_have_its_name_once_for_each_item() -> None:
    view, _dialect = read_address(
        FEEDS["ticker-tape"], b"coin_ids=bitcoin&coin_ids=ethereum,tether&search=a&search=b", 1000
    )
    assert view.params["coin_ids"] == ("bitcoin", "ethereum", "tether")
    assert view.raw["search"] == "b"
