"""The contract over real recordings of providers, which are not ours to publish: collected only where the environment
variable SPOT_SAMPLES names a folder that has them."""

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from providers.adapters import coingecko, coinmarketcap
from providers.base import Answer
from providers.datasets import COIN_FIELDS, Dataset, Kind, is_coin_id
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
    assert [row["id"] for row in normalised(Dataset("currencies"), raws).rows] == raws


def test_recorded_errors_yield_their_sentences() -> None:
    for item in recording("cg_errors_observed.json")["items"]:
        _, sentence = coingecko.explain(item["body"])
        assert sentence
        assert sentence.strip(" .") in json.dumps(item["body"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cmc_v1_listings_latest_2024-01-15_xerox78.json", "markets"),
        ("cmc_v2_quotes_latest_xerox78.json", "quotes"),
    ],
)
def test_recorded_answers_of_coinmarketcaps_older_versions_come_through_whole(name: str, kind: Kind) -> None:
    body = recording(name)
    raws = body["data"] if isinstance(body["data"], list) else list(body["data"].values())
    body["status"].pop("total_count", None)  # the recordings were asked for fewer than a block
    answer = Answer(body)
    made = coinmarketcap.normalise_markets(Dataset(kind, "usd"), [answer])
    assert (len(made.rows), made.dropped, made.blanked) == (len(raws), 0, 0)
    by_id = {str(raw["id"]): raw for raw in raws}
    for row in made.rows:
        raw, quote = by_id[row["id"]], by_id[row["id"]]["quote"]["USD"]
        assert tuple(row) == COIN_FIELDS
        assert (row["symbol"], row["market_cap_rank"]) == (raw["symbol"], raw["cmc_rank"])
        assert (row["price"], row["volume_24h"]) == (quote["price"], quote["volume_24h"])
        assert (row["price_change_1h"], row["price_change_30d"]) == (
            quote["percent_change_1h"],
            quote["percent_change_30d"],
        )
    assert coinmarketcap.charged(answer) == body["status"]["credit_count"]
    assert coinmarketcap.fault(answer) is None
    orjson.dumps(made.rows)
