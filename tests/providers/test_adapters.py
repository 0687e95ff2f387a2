"""The contract of every adapter, over the registry: recorded answers in, golden rows out, by value."""

import json
import math
from pathlib import Path

import orjson
import pytest

import providers
from providers.adapters import coingecko
from providers.base import Answer, Call, Endpoint, Normalised, Provider
from providers.datasets import ASSET_FIELDS, CANDLE_FIELDS, CATEGORIES, COIN_FIELDS, MEMBERS, Dataset
from providers.errors import BadPayload, NotFound
from tests.providers.conftest import coin, page_of

SAMPLES = Path(__file__).parent.parent / "samples"
DECLARED = [
    pytest.param(provider, endpoint, id=f"{provider.name}-{endpoint.kind}")
    for provider in providers.all()
    if not provider.simulated
    for endpoint in provider.endpoints
]
USD = Dataset("markets", "usd")
WEEK = Dataset("candles", "usd", coin="bitcoin", days=7)
FIELDS = {"markets": COIN_FIELDS, "quotes": COIN_FIELDS, "candles": CANDLE_FIELDS, "assets": ASSET_FIELDS}


def sample(provider: Provider, name: str) -> dict:
    return json.loads((SAMPLES / provider.name / f"{name}.json").read_text())


def normalised(dataset: Dataset, *bodies: object, **headers: str) -> Normalised:
    endpoint = providers.get("coingecko").endpoint(dataset.kind)
    return endpoint.normalise(dataset, [Answer(body, headers) for body in bodies])


@pytest.mark.parametrize(("provider", "endpoint"), DECLARED)
def test_a_recorded_answer_gives_its_golden_rows(provider: Provider, endpoint: Endpoint) -> None:
    recorded, golden = sample(provider, endpoint.kind), sample(provider, f"{endpoint.kind}.golden")
    answers = [Answer(answer["body"], answer["headers"]) for answer in recorded["answers"]]
    made = endpoint.normalise(Dataset.parse(recorded["dataset"]), answers)
    assert made.rows == golden["rows"]
    assert (made.as_of, made.meta) == (golden["as_of"], golden["meta"])


@pytest.mark.parametrize(("provider", "endpoint"), DECLARED)
def test_rows_have_the_fields_of_their_kind_in_their_order(provider: Provider, endpoint: Endpoint) -> None:
    rows = sample(provider, f"{endpoint.kind}.golden")["rows"]
    wanted = FIELDS.get(endpoint.kind)
    for row in rows:
        assert wanted is None or set(row) == set(wanted)


@pytest.mark.parametrize(("provider", "endpoint"), DECLARED)
@pytest.mark.parametrize("body", [[], {}, None, "text", 7, [None], [[]], ["x"], [{}], {"prices": 3}, [[1, 2]]])
def test_an_answer_of_another_shape_is_refused(provider: Provider, endpoint: Endpoint, body: object) -> None:
    recorded = sample(provider, endpoint.kind)
    dataset = Dataset.parse(recorded["dataset"])
    if endpoint.kind == "currencies" and body == ["x"]:
        body = ["?"]
    if endpoint.kind == "document" and isinstance(body, (list, dict)):
        return  # it is passed on as it is
    with pytest.raises((BadPayload, NotFound)):
        endpoint.normalise(dataset, [Answer(body) for _ in recorded["answers"]])


@pytest.mark.parametrize(("provider", "endpoint"), DECLARED)
def test_every_call_is_a_path_below_the_base_with_text_parameters(provider: Provider, endpoint: Endpoint) -> None:
    dataset = Dataset.parse(sample(provider, endpoint.kind)["dataset"])
    for call in endpoint.calls(dataset, ("bitcoin",), 0):
        assert call.full_path.startswith("/")
        assert all(isinstance(value, str) for value in call.params.values())


def test_the_sandbox_speaks_the_same_protocol_under_its_own_name() -> None:
    sandbox, real = providers.get("sandbox"), providers.get("coingecko")
    assert sandbox.endpoints is real.endpoints
    assert (sandbox.simulated, real.simulated) == (True, False)
    assert [(plan.per_minute, plan.per_month, plan.header) for plan in sandbox.plans] == [(0, 0, "")]


# --- markets --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("block", "pages"), [(1, ["1", "2"]), (2, ["3", "4"]), (4, ["7", "8"])])
def test_a_block_is_two_pages_of_250_with_all_windows(block: int, pages: list[str]) -> None:
    calls = coingecko.market_calls(Dataset("markets", "eur", block=block), ())
    assert [call.params["page"] for call in calls] == pages
    for call in calls:
        assert call.params["per_page"] == "250"
        assert call.params["vs_currency"] == "eur"
        assert call.params["sparkline"] == "true"
        assert call.params["price_change_percentage"] == "1h,24h,7d,14d,30d,200d,1y"


def test_a_coin_on_both_sides_of_a_page_boundary_is_one_coin_with_its_newest_row() -> None:
    first, second = page_of(1, 250), page_of(250, 250)
    second[0] |= {"current_price": 7, "last_updated": "2030-01-01T00:00:00.000Z"}
    made = normalised(USD, first, second)
    assert len(made.rows) == len({row["id"] for row in made.rows}) == 499
    assert next(row for row in made.rows if row["id"] == "coin-250")["price"] == 7
    assert next(row for row in normalised(USD, second, first).rows if row["id"] == "coin-250")["price"] == 7


def test_coins_stand_by_market_cap_and_those_without_last_by_id() -> None:
    rows = [coin("z", market_cap=None), coin("b", market_cap=5), coin("a", market_cap=None), coin("a5", market_cap=5)]
    assert [row["id"] for row in normalised(USD, rows).rows] == ["a5", "b", "a", "z"]


def test_the_whole_is_as_old_as_the_newest_row_of_its_oldest_page() -> None:
    young = page_of(1, 3, last_updated="2026-10-07T08:00:30.000Z")
    old = page_of(4, 3, last_updated="2026-10-07T08:00:10.000Z")
    old[0]["last_updated"] = "2020-01-01T00:00:00.000Z"
    assert normalised(USD, young, old).as_of == 1791360010000


def test_one_page_sent_twice_is_refused() -> None:
    with pytest.raises(BadPayload, match="two pages at once"):
        normalised(USD, page_of(1, 250), page_of(1, 250))


@pytest.mark.parametrize("value", ["122780", "NaN", True, [], {}])
def test_a_price_that_cannot_be_believed_is_no_price_and_the_rest_of_the_row_stays(value: object) -> None:
    made = normalised(USD, [coin("bitcoin", current_price=value), coin("ethereum")])
    row = next(row for row in made.rows if row["id"] == "bitcoin")
    assert row["price"] is None
    assert row["name"] == "Bitcoin"
    assert made.blanked == 1
    assert len(made.rows) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -5, 10**400])
def test_a_number_that_no_price_can_be_costs_the_row(value: float) -> None:
    made = normalised(USD, [coin("bitcoin", current_price=value), coin("ethereum")])
    assert [row["id"] for row in made.rows] == ["ethereum"]
    assert made.dropped == 1


def test_a_change_may_be_negative_but_not_infinite() -> None:
    changes = {"price_change_percentage_7d_in_currency": -12.5, "price_change_percentage_1h_in_currency": -math.inf}
    row = normalised(USD, [coin("bitcoin", **changes)]).rows[0]
    assert (row["price_change_7d"], row["price_change_1h"]) == (-12.5, None)


def test_the_24h_change_is_read_from_the_field_that_is_always_there_when_the_other_is_not() -> None:
    raw = coin("bitcoin", price_change_percentage_24h=3.5)
    del raw["price_change_percentage_24h_in_currency"]
    assert normalised(USD, [raw]).rows[0]["price_change_24h"] == 3.5


@pytest.mark.parametrize("roi", [{"times": 2}, {"times": 2, "currency": 7, "percentage": 1}, [2], 2, {}, "2"])
def test_a_return_that_cannot_be_read_is_none_and_the_rest_of_the_row_stays(roi: object) -> None:
    [row] = normalised(USD, [coin("bitcoin", roi=roi)]).rows
    assert (row["roi"], row["ath_change_percentage"]) == (None, -50.0)


@pytest.mark.parametrize(
    ("symbol", "name", "shown"),
    [
        ("btc", "Bitcoin", ("BTC", "Bitcoin")),
        ("", "Bitcoin", ("Bitcoin", "Bitcoin")),
        (" ", "Bitcoin", ("Bitcoin", "Bitcoin")),
        (None, "Bitcoin", ("Bitcoin", "Bitcoin")),
        ("\u200b\u2060", "Bitcoin", ("Bitcoin", "Bitcoin")),
        ("\u3164", "Bitcoin", ("Bitcoin", "Bitcoin")),
        ("btc", "  ", ("BTC", "the-id")),
        (7, None, ("the-id", "the-id")),
    ],
)
def test_a_blank_symbol_or_name_costs_no_row_and_shows_name_or_id(symbol: object, name: object, shown: tuple) -> None:
    said, cmc = {"symbol": symbol, "name": name}, {"slug": "the-id", "quote": [{"symbol": "USD", "price": 1.0}]}
    token = {"TOKEN_SLUG": "the-id", "TOKEN_SYMBOL": symbol, "TOKEN_NAME": name}
    bodies = [
        ("coingecko", "markets", [coin("the-id", **said)]),
        ("coingecko", "quotes", [coin("the-id", **said)]),
        ("coingecko", "coins", [{"id": "the-id", **said}]),
        ("coingecko", "assets", [{"id": "the-id", "platforms": {}, **said}]),
        ("coinmarketcap", "quotes", {"data": [{"id": 7, **said, **cmc}]}),
        ("coinmarketcap", "assets", {"data": [{"id": 7, **said, **cmc}]}),
        ("tokenmetrics", "assets", {"data": [token]}),
    ]
    for provider, kind, body in bodies:
        made = providers.get(provider).endpoint(kind).normalise(Dataset(kind, "usd"), [Answer(body)])
        assert [(row["symbol"], row["name"]) for row in made.rows] == [shown], (provider, kind)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("2026-10-07T08:08:36.000Z", 1791360516000),
        ("2026-10-07T08:09:06.000Z", 1791360516000),  # half a minute ahead of us: clocks differ
        ("2050-01-01T00:00:00.000Z", None),
        ("1970-01-21T18:42:40.000Z", None),
        ("2008-12-31T23:59:59.000Z", None),
        (1791360516, None),
        (1791360516000, None),
    ],
)
def test_a_time_that_cannot_be_is_none_and_decides_nothing(stated: object, told: int | None) -> None:
    now, young = 1791360516000, coin("young", last_updated="2026-10-07T08:08:00.000Z")
    endpoint = providers.get("coingecko").endpoint("markets")
    made = endpoint.normalise(USD, [Answer([coin("bitcoin", last_updated=stated), young], at=now)])
    times = {row["id"]: row["last_updated"] for row in made.rows}
    assert (times["bitcoin"], made.as_of) == (told, told or times["young"])
    quotes = [{"symbol": "USD", "price": 1.0, "last_updated": stated}]
    body = {"data": [{"id": 1, "symbol": "BTC", "name": "Bitcoin", "quote": quotes}]}
    made = providers.get("coinmarketcap").endpoint("quotes").normalise(Dataset("quotes", "usd"), [Answer(body, at=now)])
    assert (made.rows[0]["last_updated"], made.as_of) == (told, told)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        7,
        {},
        coin("../../ping"),
        coin(".."),
        coin("a b"),
    ],
)
def test_a_row_without_id_is_dropped_and_counted(raw: object) -> None:
    made = normalised(USD, [coin("bitcoin"), raw])
    assert [row["id"] for row in made.rows] == ["bitcoin"]
    assert made.dropped == 1


def test_only_https_pictures_are_passed_on() -> None:
    assert normalised(USD, [coin("bitcoin", image="javascript:alert(1)")]).rows[0]["logo"] == ""


def test_everything_survives_a_strict_json_encoder() -> None:
    odd = coin("odd", current_price=10**300, market_cap=2**70, name="\ud800x", symbol="🦝", total_volume=-0.0)
    odd["sparkline_in_7d"] = {"price": [1, None, math.nan, "2", 3.5]}
    rows = normalised(USD, [odd]).rows
    assert rows[0]["sparkline"] == [1, 3.5]
    assert orjson.loads(orjson.dumps(rows))[0]["symbol"] == "🦝"


@pytest.mark.parametrize(
    ("page", "count", "total", "ended"),
    [
        ("1", 250, "16989", False),
        ("1", 250, "250", True),
        ("1", 120, None, True),
        ("1", 120, "120", True),
        ("2", 50, "300", True),
        ("1", 250, "not a number", False),
    ],
)
def test_a_list_that_ends_early_saves_the_next_page(page: str, count: int, total: str | None, ended: bool) -> None:
    answer = Answer([{}] * count, {"total": total} if total else {})
    assert coingecko.market_ended(Call("/coins/markets", {"page": page}), answer) is ended


def test_a_page_with_a_hole_is_refused() -> None:
    with pytest.raises(BadPayload, match="a part is missing"):
        coingecko.market_ended(Call("/coins/markets", {"page": "1"}), Answer([{}] * 200, {"total": "16989"}))


def test_a_block_past_the_last_coin_does_not_exist_and_an_empty_first_block_is_a_fault() -> None:
    with pytest.raises(NotFound, match="only 685 coins"):
        normalised(Dataset("markets", "usd", block=3), [], total="685")
    with pytest.raises(BadPayload):
        normalised(USD, [], total="685")


def test_quotes_are_asked_250_at_a_time_and_unknown_coins_are_just_absent() -> None:
    ids = tuple(f"coin-{n}" for n in range(501))
    calls = coingecko.quote_calls(Dataset("quotes", "usd"), ids)
    assert [len(call.params["ids"].split(",")) for call in calls] == [250, 250, 1]
    assert {call.params["per_page"] for call in calls} == {"250"}
    with pytest.raises(NotFound):
        normalised(Dataset("quotes", "usd"), [])


# --- candles --------------------------------------------------------------------------------------------------------
STEP = 14_400_000
FIRST = 1_790_006_400_000 // STEP * STEP


def chart(*points: tuple[int, float]) -> dict:
    return {"prices": [[at, 1.0] for at, _ in points], "total_volumes": [[at, volume] for at, volume in points]}


def candles(count: int) -> list[list[float]]:
    return [[FIRST + n * STEP, 10, 12, 9, 11] for n in range(count)]


def test_a_candle_is_published_by_its_open_time() -> None:
    made = normalised(WEEK, candles(3), chart((FIRST, 1.0)))
    assert [row["timestamp"] for row in made.rows] == [FIRST - STEP, FIRST, FIRST + STEP]
    assert made.meta == {"interval_ms": STEP, "volume_basis": "rolling_24h"}


def test_its_volume_is_the_last_figure_at_or_before_its_close_and_within_it() -> None:
    points = chart((FIRST - STEP, 1.0), (FIRST - 5, 2.0), (FIRST, 3.0), (FIRST + 1, 4.0), (FIRST + STEP + 1, 5.0))
    volumes = [row["volume"] for row in normalised(WEEK, candles(4), points).rows]
    assert volumes == [3.0, 4.0, 5.0, None]


@pytest.mark.parametrize("stamp", [2_524_608_000_000, 10**18, -1, 0, 1_230_000_000_000, FIRST // 1000, "now", None])
def test_a_candle_of_a_time_that_cannot_be_is_dropped_and_leaves_the_others(stamp: object) -> None:
    endpoint, now = providers.get("coingecko").endpoint("candles"), FIRST + 41 * STEP - 1000
    usual, points = candles(41), chart((FIRST, 1.0), (now, 2.0), (2_524_608_000_000, 3.0), (1_000, 4.0))
    bodies = [[*usual, [stamp, 12, 13, 11, 12.5]], points]
    made = endpoint.normalise(WEEK, [Answer(body, at=now) for body in bodies])
    assert [row["timestamp"] for row in made.rows] == [stamp - STEP for stamp, *_ in usual]
    assert (made.dropped, made.as_of, made.meta["interval_ms"]) == (1, now, STEP)


def test_irregular_and_unsorted_points_and_double_candles_are_put_in_order() -> None:
    shuffled = [candles(3)[2], candles(3)[0], candles(3)[1], [FIRST, 10, 13, 9, 12]]
    made = normalised(WEEK, shuffled, chart((FIRST + 900, 9.0), (FIRST - 55, 7.0)))
    assert [row["timestamp"] for row in made.rows] == [FIRST - STEP, FIRST, FIRST + STEP]
    assert made.rows[0]["high"] == 13
    assert made.rows[0]["volume"] == 7.0
    assert made.as_of == FIRST + 900


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        [FIRST, 1, 2],
        [FIRST, "1", 2, 1, 1],
        [FIRST, 1, 2, math.nan, 1],
        [FIRST, 10, 9, 8, 11],
        [FIRST, 1, 2, -1, 1],
    ],
)
def test_a_candle_that_cannot_be_is_dropped(bad: object) -> None:
    made = normalised(WEEK, [bad, *candles(3)[1:]], chart((FIRST, 1.0)))
    assert len(made.rows) == 2
    assert made.dropped == 1


@pytest.mark.parametrize(("days", "step"), [(1, 1_800_000), (30, 14_400_000), (365, 345_600_000)])
def test_a_single_candle_has_the_length_that_its_range_has(days: int, step: int) -> None:
    dataset = Dataset("candles", "usd", coin="bitcoin", days=days)
    assert normalised(dataset, candles(1), chart((FIRST, 1.0))).meta["interval_ms"] == step


def test_the_chart_behind_the_candles_is_kept_whole_in_its_order() -> None:
    stamps = [FIRST - 2 * STEP, FIRST - 1, FIRST, FIRST + 900, FIRST - 55, FIRST + 9 * STEP]
    series = {
        "prices": [[at, n + 0.5] for n, at in enumerate(stamps)],
        "market_caps": [[at, n * 1000 if n else None] for n, at in enumerate(stamps)],
        "total_volumes": [[at, n] for n, at in enumerate(stamps)],
    }
    rows = normalised(WEEK, candles(3), series).rows
    whole = [[at, n + 0.5, n * 1000 or None, n] for n, at in enumerate(stamps)]
    assert [row["points"] for row in rows] == [[whole[0], whole[1], whole[4]], whole[2:4], whole[5:]]
    assert all(row["points"] for row in normalised(WEEK, candles(1), chart((FIRST, 1.0))).rows)
    assert normalised(WEEK, candles(2), chart((FIRST, 1.0))).rows[0]["points"] is None


def test_no_candles_means_that_the_coin_has_none() -> None:
    with pytest.raises(NotFound):
        normalised(WEEK, [], chart((FIRST, 1.0)))


# --- categories -----------------------------------------------------------------------------------------------------
def test_every_category_is_one_call_of_its_own() -> None:
    calls = [coingecko.category_calls(dataset, ()) for dataset in MEMBERS]
    assert [len(one) for one in calls] == [1] * len(CATEGORIES)
    assert len({one[0].params["category"] for one in calls}) == len(CATEGORIES)
    assert calls[0][0].params == {
        "vs_currency": "usd",
        "category": "meme-token",
        "order": "market_cap_desc",
        "per_page": "250",
        "page": "1",
    }


def test_a_category_is_a_dataset_by_its_name_and_no_other_word_is() -> None:
    assert [Dataset.parse(f"category:{name}") for name in CATEGORIES] == list(MEMBERS)
    for name in ("category", "category:", "category:usd", "category:Layer 1", "category:layer-1:2"):
        with pytest.raises(ValueError, match="names no dataset"):
            Dataset.parse(name)


def test_a_category_that_upstream_no_longer_knows_is_not_held_against_it() -> None:
    with pytest.raises(NotFound, match="layer-1"):
        normalised(Dataset("category", topic="layer-1"), [])


# --- lists and errors -----------------------------------------------------------------------------------------------
def test_coins_that_no_address_could_hold_are_not_listed() -> None:
    coins = [{"id": coin_id, "symbol": "x", "name": "X"} for coin_id in ("bitcoin", "..", "a/b", "a?b", "_", "é")]
    made = normalised(Dataset("coins"), coins)
    assert [row["id"] for row in made.rows] == ["bitcoin"]
    assert made.dropped == 5


@pytest.mark.parametrize("case", sample(providers.get("coingecko"), "errors"), ids=lambda case: case["message"][:40])
def test_every_shape_of_error_body_yields_its_sentence(case: dict) -> None:
    _, sentence = coingecko.explain(case["body"])
    assert f"{case['status']}: {sentence}" == case["message"]


@pytest.mark.parametrize(
    "body", [None, [], 3, "", {}, {"error": None}, {"status": "x"}, {"error": {"status": 4}}, {"error": []}]
)
def test_any_other_body_yields_nothing(body: object) -> None:
    assert coingecko.explain(body) == (None, "")


def test_a_probe_of_a_paid_key_reads_what_is_left_of_the_month() -> None:
    pro = providers.get("coingecko").plan("pro")
    assert coingecko.probe(pro).path == "/key"
    answer = {"plan": "Analyst", "monthly_call_credit": 500_000, "current_remaining_monthly_calls": 499_000}
    assert coingecko.proven(answer) == "accepted: plan Analyst, 499000 of 500000 calls left this month"
    assert coingecko.proven({"gecko_says": "(V3) To the Moon!"}) == "accepted"
    with pytest.raises(BadPayload):
        coingecko.proven(["anything"])
