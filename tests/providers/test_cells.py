"""Single values that cannot be become None; the row, its neighbours and the other values stay."""

import pytest

from providers import cells
from providers.currencies import SUPPORTED, per_dollar
from tests.spot.rows import market

NOW = 1_795_190_412_000
FOUR_HOURS = 14_400_000


def coin(**values: object) -> dict:
    """A coin of which everything can be, but for those values."""
    known = {
        "price": 0.5, "market_cap": 40e6, "market_cap_rank": 400, "volume_24h": 2e6, "high_24h": 0.6, "low_24h": 0.4,
        "ath": 2.0, "atl": 0.1, "circulating_supply": 80e6, "total_supply": 90e6, "max_supply": 100e6,
    }  # fmt: skip
    return {"id": "acme", **dict.fromkeys(market(1)[0]), **known, **values}


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"price_change_24h": -250.0}, ["price_change_24h"]),
        ({"price_change_1h": -100.5, "price_change_7d": -1e9}, ["price_change_1h", "price_change_7d"]),
        ({"price_change_24h": 1e300}, ["price_change_24h"]),
        ({"price_change_24h": 1.2e9}, ["price_change_24h"]),
        ({"price_change_1y": 1.2e9}, ["price_change_1y"]),
        ({"price_change_1h": 2e5}, ["price_change_1h"]),
        ({"price": 3e12, "market_cap": 3e24, "high_24h": None, "low_24h": None}, ["market_cap", "market_cap_rank"]),
        ({"fully_diluted_valuation": 1e16}, ["fully_diluted_valuation"]),
        ({"high_24h": 0.3}, ["high_24h", "low_24h"]),
        ({"high_24h": 1e300}, ["high_24h"]),
        ({"ath": 0.05}, ["ath", "atl"]),
        ({"circulating_supply": 200e6}, ["circulating_supply"]),
        ({"total_supply": 200e6}, ["total_supply"]),
        ({"volume_24h": 40e9}, ["volume_24h"]),
        ({"volume_24h": 1e300, "market_cap": None}, ["volume_24h"]),
        ({"market_cap_rank": 0}, ["market_cap_rank"]),
        ({"market_cap_rank": 2.5}, ["market_cap_rank"]),
        ({"market_cap_rank_with_rehypothecated": 0}, ["market_cap_rank_with_rehypothecated"]),
        ({"market_cap_change_24h": -1e300}, ["market_cap_change_24h"]),
        ({"market_cap_change_percentage_24h": -101.0}, ["market_cap_change_percentage_24h"]),
        ({"ath_change_percentage": 300.0}, ["ath_change_percentage"]),
    ],
)
def test_what_cannot_be_becomes_none_and_is_counted(values: dict, wrong: list[str]) -> None:
    row = coin(**values)
    [made], counts = cells.blanked([row], "usd")
    assert made == {**row, **dict.fromkeys(wrong)}
    assert sorted(counts) == sorted(wrong)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"price_change_24h": -100.0},
        {"price_change_24h": 95_000.0, "price_change_1y": 46e6},  # as seen, of a new coin and of Shiba Inu
        {"circulating_supply": 90.001e6, "total_supply": 90e6, "max_supply": 90e6},
        {"volume_24h": 0, "market_cap": 0},
        {"volume_24h": 900 * 40e6},
        {"high_24h": 0.49},  # the price is newer than its range
    ],
)
def test_what_is_rare_but_can_be_stays_the_same_row(values: dict) -> None:
    row = coin(**values)
    [made], counts = cells.blanked([row], "usd")
    assert made is row
    assert not counts


def test_one_value_out_of_all_measure_leaves_the_others_as_they_are() -> None:
    rows = [*market(3), coin(market_cap=3e24)]
    made, counts = cells.blanked(rows, "usd")
    assert [row["market_cap"] for row in made] == [*(row["market_cap"] for row in rows[:3]), None]
    assert counts == {"market_cap": 1, "market_cap_rank": 1}


@pytest.mark.parametrize("currency", [*SUPPORTED, "irr"])
def test_an_amount_is_bounded_in_every_currency_and_bitcoins_own_is_far_below(currency: str) -> None:
    worth = 2.5e12 * per_dollar(currency)
    kept, _ = cells.blanked(
        [coin(market_cap=worth, price=1e5 * per_dollar(currency), high_24h=None, low_24h=None)], currency
    )
    blank, _ = cells.blanked([coin(market_cap=3e24 * per_dollar(currency))], currency)
    assert (kept[0]["market_cap"], blank[0]["market_cap"]) == (worth, None)


def test_a_point_of_a_sparkline_out_of_all_measure_is_left_out() -> None:
    [made], counts = cells.blanked([coin(sparkline=[0.4, 1e300, 0.5])], "usd")
    assert (made["sparkline"], counts) == ([0.4, 0.5], {"sparkline": 1})


def test_a_chart_keeps_zeros_and_gaps_and_every_point_without_a_price() -> None:
    for points in ([0.4, 0, None, 0.5], [0.4, 1e3, 0.5], [0.4, 1e-3, 0.5]):
        assert cells.blanked([coin(sparkline=points)], "usd")[0][0]["sparkline"] == points
    assert cells.blanked([coin(sparkline=[1e300, 0.4], price=None)], "usd")[0][0]["sparkline"] == [1e300, 0.4]
    assert cells.blanked([coin(sparkline=[0.4, 1e-300, 0])], "usd")[0][0]["sparkline"] == [0.4, 0]


def candle(opened: int, **values: object) -> dict:
    return {"timestamp": opened, "open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 5.0, **values}


@pytest.mark.parametrize(
    "wrong",
    [
        candle(2_524_608_000_000),
        candle(NOW + 3_600_000),
        candle(1_795_190_412),  # seconds
        candle(1_230_000_000_000),  # 2008
        candle(NOW - FOUR_HOURS, high=1e300),
        candle(NOW - FOUR_HOURS, open=1e300, high=1e300, low=1e300, close=1e300),
    ],
)
def test_a_candle_that_cannot_be_is_dropped_and_the_others_are_kept(wrong: dict) -> None:
    usual = [candle(NOW - n * FOUR_HOURS) for n in range(41, 1, -1)]
    made, counts = cells.candles([*usual, wrong], "usd", NOW)
    assert (made, counts) == (usual, {"candle": 1})


def test_a_volume_out_of_all_measure_costs_the_volume() -> None:
    made, counts = cells.candles([candle(NOW, volume=1e300)], "usd", NOW)
    assert (made[0]["volume"], counts) == (None, {"volume": 1})
