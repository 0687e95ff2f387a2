"""What is believed of an answer; times are epoch milliseconds that the tests make up."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis import Redis

from providers.datasets import Dataset
from providers.errors import BadPayload
from providers.plausible import BELIEVED_MS, DOUBTED_MS, Doubt, Doubts, disagreement, judge

USD, WEEK = Dataset("markets", "usd"), Dataset("candles", "usd", "bitcoin", 7)
NOW = 1_790_000_000_000


@dataclass
class Snapshot:
    rows: list[dict[str, Any]] = field(default_factory=list)
    fetched_at: int = NOW - 60_000
    simulated: bool = False


def coin(coin_id: str, price: float | None) -> dict[str, Any]:
    return {"id": coin_id, "price": price}


def market(price: float = 100.0, count: int = 9) -> list[dict[str, Any]]:
    return [coin(f"coin-{n}", price) for n in range(count)]


def test_what_is_sound_passes_untouched() -> None:
    rows = [*market(), coin("new", None)]
    judged = judge(USD, rows, Snapshot(market(120.0)), {}, "toy", NOW)
    assert (judged.rows, judged.dropped, judged.doubts) == (rows, 0, {})


@pytest.mark.parametrize("price", [0, -5, -0.0, math.nan, math.inf, -math.inf, True, "12"])
def test_a_price_that_is_none_costs_the_row_and_not_the_snapshot(price: Any) -> None:
    judged = judge(USD, [*market(), coin("liar", price)], None, {}, "toy", NOW)
    assert (judged.rows, judged.dropped) == (market(), 1)


@pytest.mark.parametrize("row", [{"price": 1.0}, {"id": "", "price": 1.0}, {"id": None, "price": 1.0}])
def test_a_row_without_an_id_is_dropped(row: dict[str, Any]) -> None:
    assert judge(USD, [*market(), row], None, {}, "toy", NOW).dropped == 1


def test_an_asset_is_known_by_the_id_of_its_provider() -> None:
    rows = [{"foreign_id": "1", "symbol": "BTC"}, {"foreign_id": "", "symbol": "ETH"}]
    assert judge(Dataset("assets", topic="toy"), rows, None, {}, "toy", NOW).rows == rows[:1]


@pytest.mark.parametrize(
    "wrong", [{"close": -1.0}, {"low": 0}, {"high": math.inf}, {"timestamp": None}], ids=lambda wrong: next(iter(wrong))
)
def test_a_candle_that_cannot_be_is_dropped(wrong: dict[str, Any]) -> None:
    candle = {"timestamp": NOW, "open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0, "volume": None}
    judged = judge(WEEK, [candle, candle, {**candle, **wrong}], None, {}, "toy", NOW)
    assert judged.rows == [candle, candle]


@pytest.mark.parametrize("price", [100_001.0, 0.0999, 1e14])
def test_a_jump_of_more_than_a_thousand_times_is_doubted(price: float) -> None:
    judged = judge(USD, [*market(), coin("bitcoin", price)], Snapshot([coin("bitcoin", 100.0)]), {}, "toy", NOW)
    assert (judged.rows, judged.dropped) == (market(), 1)
    assert judged.doubts == {"bitcoin": Doubt(100.0, NOW - 60_000, price, NOW, "toy")}


@pytest.mark.parametrize("price", [100_000.0, 0.1, 99.0])
def test_a_smaller_jump_is_believed(price: float) -> None:
    assert not judge(USD, [coin("bitcoin", price)], Snapshot([coin("bitcoin", 100.0)]), {}, "toy", NOW).dropped


def test_what_was_believed_an_hour_ago_is_held_against_nobody() -> None:
    old = Snapshot([coin("bitcoin", 100.0)], NOW - BELIEVED_MS)
    assert not judge(USD, [coin("bitcoin", 1e9)], old, {}, "toy", NOW).dropped


def test_a_level_that_stays_is_believed_after_a_while_although_no_snapshot_holds_the_coin_meanwhile() -> None:
    doubts: dict[str, Doubt] = {}
    before, seen = Snapshot([*market(), coin("bitcoin", 100.0)]), []
    for at in range(NOW, NOW + DOUBTED_MS + 1, 60_000):
        judged = judge(USD, [*market(), coin("bitcoin", 0.01)], before, doubts, "toy", at)
        doubts, before = judged.doubts, Snapshot(judged.rows, at)
        seen.append(judged.dropped)
    assert seen == [1] * (DOUBTED_MS // 60_000) + [0]
    assert doubts == {}


def test_a_price_that_jumps_about_is_never_believed() -> None:
    doubts, before = {}, Snapshot([*market(), coin("bitcoin", 100.0)])
    for n in range(30):
        price = 1e9 * 10**n
        judged = judge(USD, [*market(), coin("bitcoin", price)], before, doubts, "toy", NOW + n * 60_000)
        doubts, before = judged.doubts, Snapshot(judged.rows, NOW + n * 60_000)
        assert judged.dropped == 1


def test_a_level_that_a_second_source_sees_too_is_believed_at_once() -> None:
    before, rows = Snapshot([coin("bitcoin", 100.0)]), [*market(), coin("bitcoin", 0.01)]
    doubts = judge(USD, rows, before, {}, "toy", NOW).doubts
    assert judge(USD, rows, before, doubts, "toy", NOW + 1).dropped == 1
    assert judge(USD, rows, before, doubts, "other", NOW + 1).dropped == 0


def test_the_old_level_ends_the_doubt() -> None:
    before = Snapshot([coin("bitcoin", 100.0)])
    doubts = judge(USD, [coin("bitcoin", 1e9)], before, {}, "toy", NOW).doubts
    judged = judge(USD, [coin("bitcoin", 101.0)], Snapshot([]), doubts, "toy", NOW + 60_000)
    assert (judged.dropped, judged.doubts) == (0, {})


def test_a_coin_that_is_not_in_an_answer_is_doubted_on() -> None:
    doubts = judge(USD, [coin("bitcoin", 1e9)], Snapshot([coin("bitcoin", 100.0)]), {}, "toy", NOW).doubts
    assert judge(USD, market(), None, doubts, "toy", NOW + 1000).doubts == doubts
    assert judge(USD, market(), None, doubts, "toy", NOW + BELIEVED_MS).doubts == {}


def test_an_answer_most_of_which_cannot_be_true_is_refused_whole() -> None:
    before = Snapshot(market(100.0))
    assert judge(USD, [*market(100.0, 5), *market(1e9, 5)], before, {}, "toy", NOW).dropped == 5
    with pytest.raises(BadPayload, match="6 of 10 rows"):
        judge(USD, [*market(100.0, 4), *market(1e9, 6)], before, {}, "toy", NOW)


def test_doubts_are_shared_and_end(redis: Redis) -> None:
    doubt = Doubt(100.0, NOW, 1e9, NOW, "toy")
    Doubts(redis).keep(USD, {"bitcoin": doubt})
    assert Doubts(redis).of(USD) == {"bitcoin": doubt}
    assert Doubts(redis).of(Dataset("markets", "eur")) == {}
    assert 0 < redis.pttl("spot:doubts:markets:usd") <= BELIEVED_MS + DOUBTED_MS
    Doubts(redis).keep(USD, {})
    assert redis.keys() == []


@pytest.mark.parametrize(
    ("a", "b", "percent"),
    [(100, 105, 5.0), (105, 100, 5.0), (1, 1, 0.0), (1e-9, 2e-9, 100.0), (0, 1, math.inf), (1, -1, math.inf)],
)
def test_a_disagreement_is_a_percentage_of_the_smaller_price(a: float, b: float, percent: float) -> None:
    assert disagreement(a, b) == pytest.approx(percent)
