"""The simulated market: prices, volumes and ranks as a function of time."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.currencies import COINS, PER_USD, SUPPORTED
from providers.sandbox.coins import DAY_MS, LEVEL_AT, load
from providers.sandbox.market import HOUR_MS, MARK_MS, WINDOWS, Market

NOW = 1_795_190_412_000
MARKET = Market(seed=7)
FOLLOWS = ("peg", "wrapped", "bridged", "staked", "fund")
times = st.integers(min_value=1_600_000_000_000, max_value=2_000_000_000_000)


def rows(*kinds: str) -> np.ndarray:
    return np.array([row for row, coin in enumerate(MARKET.coins) if coin.kind in kinds])


def free() -> np.ndarray:
    """The coins whose price follows nothing."""
    return np.array([row for row, coin in enumerate(MARKET.coins) if coin.kind not in FOLLOWS and not coin.stale])


@settings(max_examples=30, deadline=None)
@given(st.lists(times, min_size=1, max_size=40))
def test_a_price_does_not_depend_on_what_else_is_asked_for(wanted):
    together = MARKET.prices(wanted)
    alone = MARKET.prices(wanted[-1:], np.array([3, 100]))
    np.testing.assert_allclose(together[[3, 100], -1], alone[:, 0], rtol=1e-12)


def test_markets_of_one_seed_agree_and_of_two_seeds_differ():
    np.testing.assert_array_equal(Market(seed=7).prices([NOW]), MARKET.prices([NOW]))
    other = Market(seed=8).prices([NOW])[free()]
    assert (np.abs(other / MARKET.prices([NOW])[free()] - 1) > 0.001).mean() > 0.9


def test_a_coin_moves_the_same_whichever_other_coins_there_are():
    few = Market(seed=7, coins=[coin for coin in load() if coin.id in ("solana", "bitcoin")])
    np.testing.assert_allclose(
        few.prices([NOW], currency="btc")[:, 0],
        MARKET.prices([NOW], np.array([0, MARKET.index["solana"]]), "btc")[:, 0],
    )


@settings(max_examples=20, deadline=None)
@given(times)
def test_prices_have_no_jumps(at):
    before, after = MARKET.prices([at, at + 10]).T
    assert np.abs(after / before - 1).max() < 0.001


def test_prices_move_visibly_within_five_seconds():
    before, after = MARKET.prices([NOW, NOW + 5000])[free()].T
    assert (np.abs(after / before - 1) > 1e-5).mean() > 0.95


def test_coins_stand_at_their_level_at_the_date_of_the_file():
    standing = MARKET.prices([LEVEL_AT])[:, 0]
    for row, coin in enumerate(MARKET.coins):
        expected = coin.level * (MARKET.coins[MARKET.index[coin.target]].level if coin.target in MARKET.index else 1)
        assert standing[row] == pytest.approx(expected)


def test_pegged_coins_stay_near_their_peg_and_come_back():
    years = MARKET.prices(range(NOW - 700 * DAY_MS, NOW, 5 * DAY_MS), rows("peg"))
    levels = np.array([MARKET.coins[row].level for row in rows("peg")])
    assert np.abs(years / levels[:, None] - 1).max() < 0.006
    assert np.ptp(years, axis=1).min() > 0


def test_copies_cost_what_they_copy():
    for row in rows("wrapped", "bridged"):
        coin = MARKET.coins[row]
        copy, original = MARKET.prices([NOW], np.array([row, MARKET.index[coin.target]]))[:, 0]
        assert copy == pytest.approx(original * coin.level, rel=0.01)


def daily_returns() -> np.ndarray:
    return np.diff(np.log(MARKET.prices(range(NOW - 300 * DAY_MS, NOW, DAY_MS))), axis=1)


def test_bitcoin_and_memes_are_as_restless_as_they_are():
    moves = daily_returns().std(axis=1)
    assert 0.012 < moves[MARKET.index["bitcoin"]] < 0.035
    assert 0.035 < np.median(moves[rows("meme")]) < 0.09


def test_coins_move_together_and_pegs_do_not():
    moves = daily_returns()
    with_bitcoin = np.corrcoef(moves[[0, *free()]])[0]
    assert 0.3 < np.median(with_bitcoin) < 0.95
    assert np.abs(np.corrcoef(moves[[0, *rows("peg")]])[0][1:]).max() < 0.3


def test_coins_of_a_sector_move_together_more_than_others():
    rest = daily_returns() - daily_returns().mean(axis=0)
    memes = np.corrcoef(rest[rows("meme")]).mean()
    mixed = np.corrcoef(rest[[*rows("meme")[::2], *rows("privacy")]])[
        len(rows("meme")[::2]) :, : len(rows("meme")[::2])
    ].mean()
    assert memes > mixed + 0.1


@pytest.mark.parametrize("at", [LEVEL_AT, NOW, NOW + 700 * DAY_MS, 1_700_000_000_000])
def test_market_caps_are_spread_as_in_reality(at):
    board = MARKET.quotes(at // 1000 * 1000, "usd")
    ranked = np.sort(board.market_cap[board.rank > 0])[::-1]
    assert len(ranked) >= 600
    assert board.rank[MARKET.index["bitcoin"]] == 1
    assert 0.35 < ranked[0] / ranked.sum() < 0.75
    assert 0.75 < ranked[:10].sum() / ranked.sum() < 0.97
    assert ranked[0] > 1000 * ranked[200] > 1000 * ranked[500] > 1e7


def test_ranks_are_complete_and_without_the_claims_on_other_coins():
    ranks = MARKET.quotes(NOW, "usd").rank
    assert sorted(ranks[ranks > 0]) == list(range(1, (ranks > 0).sum() + 1))
    assert ranks[MARKET.index["wrapped-steth"]] == ranks[MARKET.index["weth"]] == 0


def test_volumes_vary_and_stay_in_proportion():
    series = MARKET.volumes(range(NOW - 60 * DAY_MS, NOW, DAY_MS), free())
    swing = series.max(axis=1) / series.min(axis=1)
    assert np.median(swing) > 1.8
    assert np.percentile(swing, 95) < 300
    assert (np.abs(np.diff(MARKET.volumes([NOW, NOW + 5000], free()))) > 0).all()


@pytest.mark.parametrize(("currency", "coin", "units"), [(name, *coin) for name, coin in COINS.items()])
def test_a_coin_costs_one_of_itself(currency, coin, units):
    row = np.array([MARKET.index[coin]])
    np.testing.assert_allclose(MARKET.prices([NOW - DAY_MS, NOW], row, currency), units)


def test_every_fiat_currency_is_a_fixed_multiple_of_the_dollar():
    for currency, rate in PER_USD.items():
        board = MARKET.quotes(NOW, currency)
        np.testing.assert_allclose(board.price, MARKET.quotes(NOW, "usd").price * rate)
        np.testing.assert_allclose(board.changes["7d"], MARKET.quotes(NOW, "usd").changes["7d"])


def test_sixty_three_currencies_are_supported():
    assert len(set(SUPPORTED)) == len(SUPPORTED) == 63


def test_an_unknown_currency_is_a_key_error():
    with pytest.raises(KeyError):
        MARKET.quotes(NOW, "xyz")


@pytest.mark.parametrize("currency", ["usd", "btc"])
def test_windows_compare_with_the_price_of_then(currency):
    board = MARKET.quotes(NOW, currency)
    for window, span in WINDOWS.items():
        now, then = MARKET.prices([NOW, NOW - span], currency=currency).T
        known = ~np.isnan(board.changes[window])
        np.testing.assert_allclose(board.changes[window][known], ((now / then - 1) * 100)[known], atol=1e-9)


@pytest.mark.parametrize("currency", ["usd", "eth"])
def test_day_range_is_that_of_the_marks_and_the_moment(currency):
    board = MARKET.quotes(NOW, currency)
    last = NOW // MARK_MS * MARK_MS
    day = MARKET.prices([*range(last - DAY_MS + MARK_MS, last + 1, MARK_MS), NOW], currency=currency)
    known = ~np.isnan(board.high)
    np.testing.assert_allclose(board.high[known], day.max(axis=1)[known])
    np.testing.assert_allclose(board.low[known], day.min(axis=1)[known])


def test_there_are_young_coins_whatever_the_clock_says():
    for at in (1_500_000_000_000, NOW, NOW + 2000 * DAY_MS):
        ages = at - MARKET.listed_since(at)
        assert (ages >= 0).all()
        assert (ages < 7 * DAY_MS).sum() >= 3
        assert np.isnan(MARKET.quotes(at, "usd").changes["30d"]).sum() >= 5


def test_a_young_coin_has_no_windows_from_before_it_was_listed():
    at = int(MARKET.listed_since(NOW)[MARKET.index["opengradient"]]) + 30 * HOUR_MS
    board, row = MARKET.quotes(at, "usd"), MARKET.index["opengradient"]
    assert [window for window in WINDOWS if not np.isnan(board.changes[window][row])] == ["1h", "24h"]
    assert len(MARKET.sparkline(row, board)) in (30, 31)


def test_a_stale_coin_is_more_than_a_day_old_and_keeps_its_price_and_week():
    board, row = MARKET.quotes(NOW, "usd"), MARKET.index["ousg"]
    assert NOW - board.updated[row] > DAY_MS
    assert np.isnan([board.high[row], board.low[row], board.changes["24h"][row]]).all()
    assert board.changes["7d"][row] == 0
    assert board.price[row] == MARKET.quotes(NOW - 8 * HOUR_MS, "usd").price[row]


def test_updates_are_seconds_old_and_go_forward():
    fresh = np.array([not coin.stale for coin in MARKET.coins])
    first, second = MARKET.quotes(NOW, "usd").updated, MARKET.quotes(NOW + 1000, "usd").updated
    assert ((NOW - first)[fresh] < 3000).all()
    assert (second[fresh] - first[fresh] == 1000).all()
    assert (second >= first).all()


def test_forgetting_marks_changes_nothing():
    few = load()[:10]
    forgetful = Market(seed=7, coins=few)
    for hours in range(0, 400, 25):
        forgetful.quotes(NOW - hours * HOUR_MS, "usd")
    fresh = Market(seed=7, coins=few)
    np.testing.assert_array_equal(forgetful.quotes(NOW - 1000, "usd").high, fresh.quotes(NOW - 1000, "usd").high)


def test_the_coins_are_many_distinct_and_as_odd_as_real_ones():
    coins = load()
    assert len({coin.id for coin in coins}) == len(coins) >= 650
    shared = Counter(coin.symbol for coin in coins)
    assert {"usdt", "usdc", "weth", "wbtc", "doge", "avax"} <= {symbol for symbol, count in shared.items() if count > 1}
    symbols, names = set(shared), {coin.name for coin in coins}
    assert {"币安人生", "🦝", "$michi", "usdc.e", "figr_heloc"} <= symbols
    assert any(name.startswith("\u200b") for name in names)
    assert not any("<" in name for name in names)
    levels = [coin.level for coin in coins]
    assert min(levels) < 1e-9
    assert max(levels) > 50_000
    assert 0.3 < sum(coin.maximum is None for coin in coins) / len(coins) < 0.6
