"""CoinAPI's exchange rates over a market of ours."""

import pytest

from providers.datasets import Dataset
from tests.spot.asking import ask
from tests.spot.rows import USD, coin
from tests.spot.sockets import put, put_lists, run

ROOT = "/compat/coinapi/v1/exchangerate/"
ROWS = [
    coin("bitcoin", symbol="BTC", price=100_000.0, market_cap=900, last_updated=1_700_000_000_123),
    coin("ethereum", symbol="ETH", price=4000.0, market_cap=800, last_updated=1_700_000_001_000),
    coin("namesake", symbol="ETH", price=1.0, market_cap=1),
]
pytestmark = pytest.mark.usefixtures("redis")


def rate(target: str, **more):
    async def story() -> None:
        nonlocal answer
        await put_lists(coins=tuple(row["id"] for row in ROWS))
        await put(USD, ROWS, interval=60)
        await put(Dataset("markets", "eur"), [coin("bitcoin", symbol="BTC", price=80_000.0, market_cap=1)], interval=60)
        answer = await ask(ROOT + target, **more)

    answer = None
    run(story())
    return answer


@pytest.mark.parametrize(
    ("pair", "expected"),
    [("BTC/USD", 100_000.0), ("btc/eur", 80_000.0), ("EUR/BTC", 1 / 80_000), ("BTC/ETH", 25.0), ("ETH/USD", 4000.0)],
)
def test_rate_of_a_pair(pair, expected) -> None:
    answer = rate(pair)
    assert answer.status_code == 200
    base, quote = pair.upper().split("/")
    assert (answer.json()["asset_id_base"], answer.json()["asset_id_quote"]) == (base, quote)
    assert answer.json()["rate"] == expected


def test_time_has_seven_decimals() -> None:
    assert rate("BTC/USD").json()["time"] == "2023-11-14T22:13:20.1230000Z"


@pytest.mark.parametrize("pair", ["NOPE/USD", "BTC/NOPE", "USD/EUR"])
def test_rate_that_is_not_there_is_their_550(pair) -> None:
    answer = rate(pair)
    assert (answer.status_code, list(answer.json())) == (550, ["error"])


def test_rates_of_one_asset() -> None:
    rates = {one["asset_id_quote"]: one["rate"] for one in rate("BTC").json()["rates"]}
    assert rates == {"USD": 100_000.0, "ETH": 25.0}
    some = rate("BTC?filter_asset_id=usd&invert=true").json()
    assert [(one["asset_id_quote"], one["rate"]) for one in some["rates"]] == [("USD", 1 / 100_000)]


def test_mistakes_are_errors_with_a_text() -> None:
    wrong = rate("B C/USD")
    assert (wrong.status_code, "symbol" in wrong.json()["error"]) == (400, True)
    assert rate("BTC/USD", headers={"X-CoinAPI-Key": "wrong"}).status_code == 401
    assert rate("BTC/USD/x").json()["error"].startswith("There is no endpoint")
