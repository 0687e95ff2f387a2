"""The documented functions: what a socket shows first, from stored snapshots, without a call while they are fresh."""

import pytest

from providers.datasets import Dataset
from spot import endpoints, snapshots
from spot.codes import Refused
from spot.ingest import tasks
from tests.spot.rows import USD, candles, coin, fetched, market


@pytest.fixture(autouse=True)
def stored(redis, settings, monkeypatch):
    """A market of ten coins, one more that was asked for by id, and a chart; nothing may be fetched."""
    settings.SPOT_DEMO = "off"
    monkeypatch.setattr(tasks, "refresh", lambda dataset: pytest.fail(f"{dataset.name} was fetched"))
    snapshots.save(fetched(USD, market(10)), 60)
    snapshots.save(fetched(Dataset("quotes", "usd"), [coin("elsewhere", symbol="ELSE")]), 60)
    snapshots.save(fetched(Dataset("candles", "usd", "bitcoin", 30), candles(5)), 900)


def test_the_market_table_counts_its_rows() -> None:
    table = endpoints.get_coin_market_data(per_page=3, sparkline=False, price_change_percentage="7d")
    assert table["headers"] == ["Row", "Logo", "Symbol", "Name", "Price", "Market Cap", "24h Volume", "7d Change (%)"]
    assert [row[0] for row in table["rows"]] == [1, 2, 3]


def test_a_tape_holds_the_coins_asked_for_in_their_order_wherever_they_are_stored() -> None:
    first = market(10)[0]["id"]
    assert [row["symbol_pair"] for row in endpoints.get_ticker_tape_data(["elsewhere", first])] == [
        "ELSE/USD",
        f"{market(10)[0]['symbol']}/USD",
    ]


def test_the_lists_rank_the_same_market() -> None:
    assert len(endpoints.get_coin_heatmap_data(per_page=4)) == 4
    gainers = endpoints.list_top_gainers(per_page=10, min_volume=0)
    losers = endpoints.list_top_losers(per_page=10, min_volume=0)
    assert gainers
    assert [row["name"] for row in gainers] != [row["name"] for row in losers]
    assert endpoints.list_most_active(per_page=1)[0]["rank"] == 1


def test_candles_come_oldest_first() -> None:
    opens = [row["timestamp"] for row in endpoints.get_historical_ohlcv("bitcoin", days=30)]
    assert opens == sorted(row["timestamp"] for row in candles(5))


def test_a_bad_parameter_is_named() -> None:
    with pytest.raises(Refused, match="days must be a whole number from 1 to 365"):
        endpoints.get_historical_ohlcv("bitcoin", days=0)
