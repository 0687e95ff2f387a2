"""Which streamed prices are shown in polled rows, and which are not believed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from providers.stream import Tick
from spot.ingest.ticks import FORGOTTEN_MS, SILENT_MS, Board, Polled, Source
from tests.spot.rows import coin, market

NOW = 1_790_000_000_000
ACME, OTHER = Source("acme", "Acme", 100), Source("other", "Other", 200)


def polled(*rows, source="poll", fresh=True, meta=None) -> Polled:
    return Polled(rows, meta or {}, source, fresh)


def bitcoin(price=100.0, at=NOW - 60_000, **fields):
    return coin("bitcoin", price=price, last_updated=at, market_cap=2e12, volume_24h=3e10, **fields)


def board(*heard, percent=5.0) -> Board:
    """A board that heard (source, price, at)."""
    made = Board(percent)
    for source, price, at in heard:
        made.hear(source, "bitcoin", Tick("x", "usd", {"price": price}, at), NOW)
    return made


def test_a_newer_price_takes_its_place_with_its_time() -> None:
    before = bitcoin()
    rows, meta = board((ACME, 101.5, NOW - 5)).shown(polled(before, coin("rest")), NOW)
    assert rows == [{**before, "price": 101.5, "last_updated": NOW - 5, "stale": False}, coin("rest")]
    assert before["price"] == 100.0
    assert meta == {"streams": [{"source": "acme", "label": "Acme", "url": None, "coins": 1, "as_of": NOW - 5}]}


def test_figures_of_the_polled_price_go_with_it() -> None:
    of_price = dict.fromkeys(("price_difference_24h", "ath_change_percentage", "atl_change_percentage"), -1.5)
    before = bitcoin(market_cap_change_24h=7.0, **of_price)
    [row], _ = board((ACME, 101.0, NOW - 5)).shown(polled(before), NOW)
    assert (row["price"], row["market_cap_change_24h"]) == (101.0, 7.0)
    assert [row[name] for name in of_price] == [None] * 3


def test_a_late_tick_leaves_an_old_price_stale() -> None:
    day = 86_400_000
    old = bitcoin(at=NOW - 3 * day, stale=True)
    rows, _ = board((ACME, 101.0, NOW - 2 * day)).shown(polled(old), NOW)
    assert (rows[0]["last_updated"], rows[0]["stale"]) == (NOW - 2 * day, True)
    rows, _ = board((ACME, 101.0, NOW - 5)).shown(polled(old), NOW)
    assert (rows[0]["last_updated"], rows[0]["stale"]) == (NOW - 5, False)


def test_a_poll_without_times_is_newer_than_the_ticks_before_it() -> None:
    rows = [bitcoin(at=None)]
    assert board((ACME, 101.0, NOW - 5)).shown(Polled(rows, {}, "poll", True, at=NOW), NOW) is None
    assert board((ACME, 101.0, NOW + 5)).shown(Polled(rows, {}, "poll", True, at=NOW), NOW)


def test_a_tick_is_heard_while_another_thread_shows_the_market() -> None:
    decoding, heard = threading.Event(), threading.Event()

    class Rows(list):
        """Rows whose decoding takes as long as nobody has heard the second tick."""

        def __iter__(self):
            decoding.set()
            assert heard.wait(10)
            return super().__iter__()

    made = board((ACME, 101.0, NOW - 5))
    market = Polled(Rows([bitcoin()]), {}, "poll", True)
    with ThreadPoolExecutor(1) as threads:
        shown = threads.submit(made.shown, market, NOW)
        assert decoding.wait(10)
        assert is_heard_at_once(made)
        heard.set()
        assert shown.result()[0][0]["price"] == 101.0
    assert made.shown(polled(bitcoin()), NOW)[0][0]["price"] == 102.0


def is_heard_at_once(made: Board) -> bool:
    """Whether a tick is heard without waiting."""
    tick = Tick("x", "usd", {"price": 102.0}, NOW - 4)
    hearing = threading.Thread(target=made.hear, args=(ACME, "bitcoin", tick, NOW), daemon=True)
    hearing.start()
    hearing.join(5)
    return not hearing.is_alive()


def test_nothing_is_made_of_nothing() -> None:
    assert Board(5.0).shown(polled(bitcoin()), NOW) is None
    stranger = Board(5.0)
    stranger.hear(ACME, "dogecoin", Tick("x", "usd", {"price": 1.0}, NOW), NOW)
    assert stranger.shown(polled(bitcoin()), NOW) is None


@pytest.mark.parametrize("at", [NOW - 60_000, NOW - 60_001, 0])
def test_a_price_that_is_not_newer_than_the_row_is_ignored(at) -> None:
    made = board((ACME, 101.0, at))
    assert made.shown(polled(bitcoin()), NOW) is None
    assert made.counted() == {}


def test_what_is_shown_already_makes_no_new_version() -> None:
    made = board((ACME, 101.0, NOW - 5))
    rows, meta = made.shown(polled(bitcoin()), NOW)
    assert made.shown(polled(*rows, meta=meta), NOW + 500) is None


def test_a_poll_is_amended_again_with_what_is_younger_than_it() -> None:
    made = board((ACME, 101.0, NOW - 5))
    made.shown(polled(bitcoin()), NOW)
    rows, meta = made.shown(polled(bitcoin(price=100.5, at=NOW - 1000)), NOW)
    assert (rows[0]["price"], rows[0]["last_updated"]) == (101.0, NOW - 5)
    assert meta["streams"][0]["coins"] == 1
    assert made.shown(polled(bitcoin(price=100.5, at=NOW)), NOW) is None


@pytest.mark.parametrize("price", [0.0, -1.0, 100_001.0, 0.099])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_price_that_cannot_be_true_is_dropped_and_counted_once(price, fresh) -> None:
    made = board((ACME, price, NOW))
    assert made.shown(polled(bitcoin(), fresh=fresh), NOW) is None
    assert made.shown(polled(bitcoin(), fresh=fresh), NOW) is None
    assert made.counted() == {("absurd", "acme"): {"bitcoin": 1}}
    assert made.counted() == {}


@pytest.mark.parametrize("price", [94.0, 106.0])
def test_a_price_too_far_off_is_held_back_counted_and_named(price) -> None:
    made = board((ACME, price, NOW))
    rows, meta = made.shown(polled(bitcoin()), NOW)
    assert rows[0]["price"] == 100.0
    (said,) = meta["disputed"]
    assert {name: said[name] for name in ("id", "source", "price", "shown")} == {
        "id": "bitcoin",
        "source": "acme",
        "price": price,
        "shown": 100.0,
    }
    assert 5 < said["percent"] < 7
    assert made.shown(polled(*rows, meta=meta), NOW) is None
    assert made.counted() == {("disputed", "acme"): {"bitcoin": 1}}


def test_a_dispute_ends_when_the_poll_comes_to_agree() -> None:
    made = board((ACME, 110.0, NOW))
    rows, meta = made.shown(polled(bitcoin()), NOW)
    assert "disputed" in meta
    rows, meta = made.shown(polled(bitcoin(price=109.0), meta=meta), NOW)
    assert rows[0]["price"] == 110.0
    assert "disputed" not in meta


def test_a_dispute_ends_when_the_stream_comes_back() -> None:
    made = board((ACME, 110.0, NOW - 2))
    rows, meta = made.shown(polled(bitcoin()), NOW)
    made.hear(ACME, "bitcoin", Tick("x", "usd", {"price": 101.0}, NOW - 1), NOW)
    rows, meta = made.shown(polled(*rows, meta=meta), NOW)
    assert rows[0]["price"] == 101.0
    assert "disputed" not in meta


def test_a_stream_is_believed_more_than_a_poll_that_is_too_old() -> None:
    rows, meta = board((ACME, 150.0, NOW)).shown(polled(bitcoin(), fresh=False), NOW)
    assert rows[0]["price"] == 150.0
    assert "disputed" not in meta


def test_a_market_that_moves_step_by_step_is_followed() -> None:
    made, rows, meta = Board(5.0), [bitcoin()], {}
    for step in range(1, 11):
        made.hear(ACME, "bitcoin", Tick("x", "usd", {"price": 100.0 + 3 * step}, NOW + step), NOW + step)
        rows, meta = made.shown(polled(*rows, meta=meta), NOW + step)
    assert rows[0]["price"] == 130.0
    assert made.counted() == {}


def test_a_coin_without_a_polled_price_takes_the_streamed_one() -> None:
    rows, _ = board((ACME, 7.0, NOW)).shown(polled(bitcoin(price=None, at=None)), NOW)
    assert rows[0]["price"] == 7.0


# --- several sources --------------------------------------------------------------------------------------------------


def test_the_first_in_order_is_shown_while_it_speaks_and_then_the_next() -> None:
    made = board((OTHER, 102.0, NOW - 1), (ACME, 101.0, NOW - 2))
    rows, meta = made.shown(polled(bitcoin()), NOW)
    assert rows[0]["price"] == 101.0
    later = NOW + SILENT_MS + 1
    made.hear(OTHER, "bitcoin", Tick("x", "usd", {"price": 103.0}, later), later)
    rows, meta = made.shown(polled(*rows, meta=meta), later)
    assert rows[0]["price"] == 103.0
    assert [one["source"] for one in meta["streams"]] == ["other"]


def test_a_second_source_that_disagrees_is_counted_and_not_shown() -> None:
    made = board((ACME, 101.0, NOW - 2), (OTHER, 80.0, NOW - 1))
    rows, meta = made.shown(polled(bitcoin()), NOW)
    assert rows[0]["price"] == 101.0
    assert [one["source"] for one in meta["disputed"]] == ["other"]
    assert made.counted() == {("disputed", "other"): {"bitcoin": 1}}


def test_when_the_first_is_disputed_the_next_may_be_shown() -> None:
    rows, meta = board((ACME, 200.0, NOW - 2), (OTHER, 101.0, NOW - 1)).shown(polled(bitcoin()), NOW)
    assert rows[0]["price"] == 101.0
    assert [one["source"] for one in meta["disputed"]] == ["acme"]


def test_what_another_process_put_there_stays() -> None:
    before = {"universe": 9, "streams": [{"source": "far", "label": "Far", "coins": 2, "as_of": 1}]}
    _, meta = board((ACME, 101.0, NOW)).shown(polled(bitcoin(), meta=before), NOW)
    assert meta["universe"] == 9
    assert [one["source"] for one in meta["streams"]] == ["acme", "far"]


def test_only_the_polled_company_streams_more_than_prices_and_changes() -> None:
    values = {"price": 101.0, "price_change_24h": 4.0, "market_cap": 9e12, "volume_24h": 1.0, "name": 5}
    for source, cap, volume in (("poll", 2e12, 3e10), ("acme", 9e12, 1.0)):
        made = Board(5.0)
        made.hear(ACME, "bitcoin", Tick("x", "usd", values, NOW), NOW)
        rows, _ = made.shown(polled(bitcoin(), source=source), NOW)
        assert rows[0]["price_change_24h"] == 4.0
        assert (rows[0]["market_cap"], rows[0]["volume_24h"], rows[0]["name"]) == (cap, volume, "Bitcoin")


def test_what_is_old_is_forgotten() -> None:
    made = board((ACME, 101.0, NOW))
    assert not made.empty
    assert made.shown(polled(bitcoin()), NOW + FORGOTTEN_MS + 1) is None
    assert made.empty


def test_a_tick_with_a_change_that_cannot_be_brings_its_price_and_is_counted() -> None:
    board = Board(50.0)
    polled = Polled(market(2), {}, "acme", True)
    row = polled.rows[0]
    tick = Tick("1", "usd", {"price": row["price"] * 1.01, "price_change_24h": -250.0}, row["last_updated"] + 1_000)
    board.hear(Source("acme", "Acme", 1), row["id"], tick, tick.at)
    rows, _ = board.shown(polled, tick.at)
    assert (rows[0]["price"], rows[0]["price_change_24h"]) == (tick.values["price"], row["price_change_24h"])
    assert board.counted() == {("absurd", "acme"): {row["id"]: 1}}
