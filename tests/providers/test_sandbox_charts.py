"""Candles, charts and sparklines of the simulated market: that they agree with each other, by value."""

from itertools import pairwise

import numpy as np
import pytest

from providers.sandbox.charts import CANDLES, candles, points
from providers.sandbox.coins import DAY_MS
from providers.sandbox.market import HOUR_MS, MARK_MS, Market

NOW = 1_795_190_412_000
HALF_HOUR = HOUR_MS // 2
MARKET = Market(seed=7)
COINS = ["bitcoin", "pepe", "tether", "staked-ether"]


def price(coin: str, at: int, currency: str = "usd") -> float:
    return float(MARKET.prices([at], np.array([MARKET.index[coin]]), currency)[0, 0])


@pytest.mark.parametrize(("days", "count"), [(1, 48), (7, 42), (14, 84), (30, 180), (90, 23), (180, 45), (365, 92)])
def test_candles_lie_on_a_grid_and_the_last_closes_in_the_future(days, count):
    stamps = [candle[0] for candle in candles(MARKET, "bitcoin", "usd", days, NOW)]
    assert len(stamps) == count
    assert {after - before for before, after in pairwise(stamps)} == {CANDLES[days]}
    assert stamps[-1] % CANDLES[days] == 0
    assert NOW < stamps[-1] <= NOW + CANDLES[days]


def test_the_last_candle_is_finished_when_the_clock_stands_on_the_grid():
    on_grid = NOW // (4 * HOUR_MS) * (4 * HOUR_MS)
    assert candles(MARKET, "bitcoin", "usd", 7, on_grid)[-1][0] == on_grid


@pytest.mark.parametrize("coin", COINS)
@pytest.mark.parametrize("currency", ["usd", "eth"])
def test_candles_open_and_close_at_the_prices_of_those_times(coin, currency):
    made = candles(MARKET, coin, currency, 7, NOW)
    for close_time, opened, _high, _low, closed in made[:-1]:
        assert closed == pytest.approx(price(coin, close_time, currency))
        assert opened == pytest.approx(price(coin, close_time - 4 * HOUR_MS, currency))
    assert made[-1][4] == pytest.approx(price(coin, NOW, currency))


@pytest.mark.parametrize("days", sorted(CANDLES))
def test_highs_and_lows_enclose_open_and_close(days):
    for _close_time, opened, high, low, closed in candles(MARKET, "solana", "usd", days, NOW):
        assert low <= min(opened, closed) <= max(opened, closed) <= high


def test_a_long_candle_spans_the_short_ones_inside_it():
    short = {candle[0]: candle for candle in candles(MARKET, "solana", "usd", 1, NOW)}
    for close_time, opened, high, low, closed in candles(MARKET, "solana", "usd", 7, NOW)[-6:-1]:
        inside = [short.get(close_time - back * HALF_HOUR) for back in range(7, -1, -1)]
        if all(inside):
            assert (opened, closed) == (inside[0][1], inside[-1][4])
            assert high == max(candle[2] for candle in inside)
            assert low == min(candle[3] for candle in inside)


@pytest.mark.parametrize("coin", COINS)
def test_the_highest_candle_of_the_day_is_the_high_of_the_day(coin):
    now = NOW // HALF_HOUR * HALF_HOUR
    day = candles(MARKET, coin, "usd", 1, now)
    board, row = MARKET.quotes(now, "usd"), MARKET.index[coin]
    # The first candle opens at a mark that is just outside the 24 hours.
    opening = price(coin, day[0][0] - HALF_HOUR)
    highest = max(candle[2] for candle in day)
    assert board.high[row] == pytest.approx(highest) or highest == pytest.approx(opening)
    assert board.low[row] >= min(candle[3] for candle in day) * (1 - 1e-12)


@pytest.mark.parametrize("coin", COINS)
@pytest.mark.parametrize("currency", ["usd", "btc"])
def test_the_sparkline_is_the_price_at_each_full_hour(coin, currency):
    line = MARKET.sparkline(MARKET.index[coin], MARKET.quotes(NOW, currency))
    last = NOW // HOUR_MS * HOUR_MS
    assert len(line) == 168
    np.testing.assert_allclose(line, [price(coin, last - back * HOUR_MS, currency) for back in range(167, -1, -1)])


def test_four_hour_candles_pass_through_the_sparkline():
    line = MARKET.sparkline(MARKET.index["solana"], MARKET.quotes(NOW, "usd"))
    last = NOW // HOUR_MS * HOUR_MS
    by_hour = {last - (167 - n) * HOUR_MS: value for n, value in enumerate(line)}
    closes = {candle[0]: candle[4] for candle in candles(MARKET, "solana", "usd", 7, NOW)}
    met = by_hour.keys() & closes.keys()
    assert len(met) > 38
    for at in met:
        assert by_hour[at] == pytest.approx(closes[at])


@pytest.mark.parametrize(
    ("days", "least", "most", "shortest", "longest"),
    [(1, 287, 290, 100, 540), (7, 167, 170, 600, 6700), (30, 719, 722, 600, 6700), (90, 2159, 2162, 600, 6700)],
)
def test_chart_stamps_are_irregular_within_bounds(days, least, most, shortest, longest):
    stamps = points(MARKET, "bitcoin", days, NOW + 345)
    gaps = np.diff(stamps)[:-2] / 1000
    assert least <= len(stamps) <= most
    assert len(set(gaps)) > 20
    assert shortest < gaps.min()
    assert gaps.max() < longest
    assert stamps[0] > NOW - days * DAY_MS - HOUR_MS
    assert stamps[-1] % 1000 == 0


@pytest.mark.parametrize(("days", "daily"), [(365, False), (180, False), (30, True)])
def test_long_charts_have_a_point_at_each_midnight_and_one_now(days, daily):
    stamps = points(MARKET, "bitcoin", days, NOW, daily)
    assert (stamps[:days] % DAY_MS == 0).all()
    assert (np.diff(stamps[:days]) == DAY_MS).all()
    assert days + 1 <= len(stamps) <= days + 2


def test_some_charts_end_on_a_stamp_before_the_last_but_one():
    last_steps = {int(np.diff(points(MARKET, coin.id, 1, NOW))[-1]) for coin in MARKET.coins[:20]}
    assert -955 in last_steps
    assert any(step > 0 for step in last_steps)


def test_stamps_of_the_past_stay_where_they_were():
    before, after = set(points(MARKET, "bitcoin", 7, NOW)), set(points(MARKET, "bitcoin", 7, NOW + 60_000))
    assert len(before & after) >= 165


def test_the_day_of_a_young_coin_begins_where_it_was_listed():
    row = MARKET.index["opengradient"]
    since = int(MARKET.listed_since(NOW)[row])
    now = since + 5 * HOUR_MS + 7000
    day = candles(MARKET, "opengradient", "usd", 1, now)
    assert 10 <= len(day) <= 12
    assert day[0][0] - HALF_HOUR <= since < day[0][0]
    assert min(points(MARKET, "opengradient", 1, now)) > since
    assert 55 <= len(points(MARKET, "opengradient", 1, now)) <= 65


def test_a_coin_listed_this_second_has_next_to_nothing():
    since = int(MARKET.listed_since(NOW)[MARKET.index["opengradient"]])
    assert len(candles(MARKET, "opengradient", "usd", 30, since + 1)) <= 1
    assert len(points(MARKET, "opengradient", 30, since + 1)) <= 1
    assert since % MARK_MS  # it is listed at no round time, which is what makes the above worth asking
