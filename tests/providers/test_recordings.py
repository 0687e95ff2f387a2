"""The contract over real recordings of CoinGecko, which are not ours to publish: collected only where the environment
variable SPOT_SAMPLES names a folder that has them."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from providers.adapters import coingecko
from providers.datasets import COIN_FIELDS, Dataset, is_coin_id
from tests.providers.test_adapters import STEP, USD, normalised

RECORDINGS = Path(os.environ["SPOT_SAMPLES"])


def recording(name: str) -> Any:
    return json.loads((RECORDINGS / name).read_text())


@pytest.mark.parametrize(
    "name", ["cg_markets_10_sparkline168_harshcode1.json", "cg_markets_250_2023-07-28_ArdentHQ.json"]
)
def test_recorded_markets_come_through_whole(name: str) -> None:
    raws = recording(name)
    made = normalised(USD, raws)
    assert (len(made.rows), made.dropped, made.blanked) == (len(raws), 0, 0)
    by_id = {raw["id"]: raw for raw in raws}
    for row in made.rows:
        raw = by_id[row["id"]]
        assert set(row) == set(COIN_FIELDS)
        assert is_coin_id(row["id"])
        assert (row["price"], row["market_cap"]) == (raw["current_price"], raw["market_cap"])
        assert row["price_change_24h"] == pytest.approx(raw["price_change_percentage_24h"], abs=1e-4, nan_ok=True)
        assert row["sparkline"] is None or len(row["sparkline"]) == 168
    orjson.dumps(made.rows)


@pytest.mark.parametrize(("name", "days"), [("hourly", 30), ("5min", 1), ("daily", 90)])
def test_recorded_candles_are_an_exact_grid_with_their_volumes(name: str, days: int) -> None:
    ohlc, points = recording("cg_ohlc_7d.json"), recording(f"cg_market_chart_{name}.json")
    dataset = Dataset("candles", "usd", coin="bitcoin", days=days)
    made = normalised(dataset, ohlc, points)
    stamps = [row["timestamp"] for row in made.rows]
    assert (len(made.rows), made.dropped) == (42, 0)
    assert {later - earlier for earlier, later in pairwise(stamps)} == {STEP}
    assert stamps[0] == ohlc[0][0] - STEP
    known = {volume for _, volume in points["total_volumes"]}
    assert {row["volume"] for row in made.rows} <= known | {None}


def test_recorded_currencies_come_through_whole() -> None:
    raws = recording("cg_supported_vs_currencies_ArdentHQ.json")
    assert [row["id"] for row in normalised(Dataset("currencies"), raws).rows] == sorted(raws)


def test_recorded_errors_yield_their_sentences() -> None:
    for item in recording("cg_errors_observed.json")["items"]:
        _, sentence = coingecko.explain(item["body"])
        assert sentence
        assert sentence.strip(" .") in json.dumps(item["body"])
