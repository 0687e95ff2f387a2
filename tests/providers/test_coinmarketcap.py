"""CoinMarketCap's REST interface: its calls, what it costs, and the answers in their several shapes."""

import json
import math
from typing import Any

import orjson
import pytest

import providers
from providers.adapters import coinmarketcap
from providers.base import Answer, Call, Normalised
from providers.datasets import Dataset
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from tests.providers.test_adapters import sample

PROVIDER = providers.get("coinmarketcap")
USD, QUOTES = Dataset("markets", "usd"), Dataset("quotes", "usd")
DAY = 86_400_000


def status(**changes: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-02T09:14:40.117Z",
        "error_code": 0,
        "error_message": None,
        "credit_count": 1,
    } | changes


def coin(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the list with every field, like Bitcoin's."""
    row = sample(PROVIDER, "markets")["answers"][0]["body"]["data"][0]
    return row | {"id": number, "symbol": f"C{number}", "name": f"Coin {number}"} | changes


def quoted(number: int, **changes: Any) -> dict[str, Any]:
    """The same with other values in its quote."""
    row = coin(number)
    return row | {"quote": [row["quote"][0] | changes]}


def normalised(dataset: Dataset, data: Any, **stated: Any) -> Normalised:
    endpoint = PROVIDER.endpoint(dataset.kind)
    return endpoint.normalise(dataset, [Answer({"status": status(**stated), "data": data})])


# --- markets and quotes ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("block", "start"), [(1, "1"), (2, "501"), (3, "1001")])
def test_a_block_is_one_call_of_three_credits(block: int, start: str) -> None:
    [call] = coinmarketcap.market_calls(Dataset("markets", "eur", block=block), ())
    assert call.path == "/v3/cryptocurrency/listings/latest"
    assert (call.params["start"], call.params["limit"], call.params["convert"]) == (start, "500", "EUR")
    assert call.credits == 3


def test_quotes_are_asked_a_hundred_at_a_time_for_a_credit_each_and_unknown_ids_spoil_nothing() -> None:
    calls = coinmarketcap.quote_calls(QUOTES, tuple(str(n) for n in range(1, 252)))
    assert [len(call.params["id"].split(",")) for call in calls] == [100, 100, 51]
    assert {(call.credits, call.params["skip_invalid"]) for call in calls} == {(1, "true")}


def test_every_generation_of_answers_gives_the_same_row() -> None:
    newest = coin(1)
    older = newest | {"quote": {"USD": newest["quote"][0]}}
    shapes: list[Any] = [[newest], [older], {"1": older}, {"1": newest}]
    rows = [normalised(QUOTES, shape).rows for shape in shapes]
    assert rows[0][0]["price"] == 81187.93
    assert all(made == rows[0] for made in rows)


def test_only_the_quote_in_the_currency_asked_for_counts() -> None:
    dollars = coin(1)["quote"][0]
    both = coin(1, quote=[dollars, dollars | {"symbol": "EUR", "price": 70000.5}])
    assert normalised(Dataset("quotes", "eur"), [both]).rows[0]["price"] == 70000.5
    made = normalised(Dataset("quotes", "eur"), [both, coin(2)])
    assert (len(made.rows), made.dropped) == (1, 1)


def test_zero_is_how_an_unknown_supply_is_written_and_no_value() -> None:
    row = normalised(QUOTES, [quoted(7, market_cap=0) | {"circulating_supply": 0, "max_supply": 0}]).rows[0]
    assert (row["market_cap"], row["circulating_supply"], row["max_supply"]) == (None, None, None)
    assert row["price"] == 81187.93


@pytest.mark.parametrize("value", ["81187", True, [], {}])
def test_a_price_that_cannot_be_believed_is_no_price_and_the_rest_of_the_row_stays(value: Any) -> None:
    made = normalised(QUOTES, [quoted(7, price=value), coin(8)])
    assert [(row["id"], row["price"] is None) for row in made.rows] == [("7", True), ("8", False)]
    assert made.blanked == 1
    orjson.dumps(made.rows)


@pytest.mark.parametrize("value", [math.nan, math.inf, -5, 10**400])
def test_a_number_that_no_price_can_be_costs_the_row(value: float) -> None:
    made = normalised(QUOTES, [quoted(7, price=value), coin(8)])
    assert ([row["id"] for row in made.rows], made.dropped) == (["8"], 1)


@pytest.mark.parametrize("raw", [None, 7, {}, coin(0), coin(1, id=True), coin(1, id="../x"), coin(1, quote=None)])
def test_a_row_without_identity_or_quote_is_dropped_and_counted(raw: Any) -> None:
    made = normalised(QUOTES, [coin(5), raw])
    assert ([row["id"] for row in made.rows], made.dropped) == (["5"], 1)


def test_a_coin_that_comes_twice_is_one_with_its_newest_row() -> None:
    newer = quoted(5, price=9.5, last_updated="2026-11-02T09:14:00.000Z")
    for order in ([coin(5), newer], [newer, coin(5)]):
        assert [row["price"] for row in normalised(QUOTES, order).rows] == [9.5]


def test_a_list_with_a_hole_is_refused_and_a_short_last_block_is_not() -> None:
    rows = [coin(number) for number in range(1, 4)]
    with pytest.raises(BadPayload, match="a part is missing"):
        normalised(USD, rows, total_count=8705)
    assert normalised(Dataset("markets", "usd", block=2), rows, total_count=503).meta == {"universe": 503}


def test_a_block_past_the_last_coin_does_not_exist_and_an_empty_first_block_is_a_fault() -> None:
    with pytest.raises(NotFound, match="only 503 coins"):
        normalised(Dataset("markets", "usd", block=3), [], total_count=503)
    with pytest.raises(BadPayload):
        normalised(USD, [], total_count=503)
    with pytest.raises(NotFound):
        normalised(QUOTES, {})


# --- candles --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("days", "period", "count", "credits"),
    [
        (1, "hourly", "25", 1),
        (7, "hourly", "169", 2),
        (14, "hourly", "337", 4),
        (30, "daily", "31", 1),
        (90, "daily", "91", 1),
        (180, "daily", "181", 2),
        (365, "daily", "366", 4),
    ],
)
def test_a_range_is_asked_for_in_hours_or_days_and_costs_a_credit_a_hundred(
    days: int, period: str, count: str, credits: int
) -> None:
    [call] = coinmarketcap.candle_calls(Dataset("candles", "usd", coin="1027", days=days), ())
    assert (call.params["id"], call.params["time_period"], call.params["interval"]) == ("1027", period, period)
    assert (call.params["count"], call.credits) == (count, credits)


def candles(*days: int, **quote: Any) -> dict[str, Any]:
    """A coin with a candle on each of those days of October 2026."""
    values = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0} | quote
    return {
        "id": 1,
        "quotes": [{"time_open": f"2026-10-{day:02}T00:00:00.000Z", "quote": {"USD": values}} for day in days],
    }


MONTH = Dataset("candles", "usd", coin="1", days=30)


def test_candles_come_by_their_open_time_with_the_volume_of_their_own() -> None:
    made = normalised(MONTH, candles(2, 1, 3))
    assert [row["timestamp"] for row in made.rows] == [1790812800000 + n * DAY for n in range(3)]
    assert made.meta == {"interval_ms": DAY, "volume_basis": "interval"}
    assert made.rows[0]["volume"] == 5.0


def test_candles_wrapped_by_id_are_found_and_another_coins_are_refused() -> None:
    assert len(normalised(MONTH, {"1": candles(1, 2)}).rows) == 2
    with pytest.raises(BadPayload, match="another coin"):
        normalised(MONTH, candles(1) | {"id": 1027})
    with pytest.raises(BadPayload):
        normalised(MONTH, {"1027": candles(1)})


@pytest.mark.parametrize("bad", [{"high": 1.0}, {"low": 11.5}, {"close": None}, {"open": "10"}, {"close": math.nan}])
def test_a_candle_that_cannot_be_is_dropped(bad: dict[str, Any]) -> None:
    data = candles(1)
    data["quotes"] += candles(2, **bad)["quotes"]
    made = normalised(MONTH, data)
    assert (len(made.rows), made.dropped) == (1, 1)


def test_no_candles_means_that_the_coin_has_none() -> None:
    with pytest.raises(NotFound):
        normalised(MONTH, candles())


@pytest.mark.parametrize(
    ("answered", "as_of"),
    [
        ("2026-10-04T00:14:00.000Z", 1791072840000),  # the candle of the 3rd may still be coming
        ("2026-10-04T00:16:00.000Z", 1790985600000),  # it should have come: the data are as old as their last candle
        ("2026-10-02T23:00:00.000Z", 1790985600000),  # a clock that is behind its own candles
        (None, 1790985600000),
    ],
)
def test_candles_are_as_fresh_as_the_answer_while_no_newer_one_can_be_finished(answered: Any, as_of: int) -> None:
    assert normalised(MONTH, candles(1, 2), timestamp=answered).as_of == as_of


# --- assets ---------------------------------------------------------------------------------------------------------
def test_the_map_is_read_page_by_page_for_nothing_until_a_page_is_short() -> None:
    calls = coinmarketcap.asset_calls(Dataset("assets", topic="coinmarketcap"), ())
    assert [call.params["start"] for call in calls] == ["1", "5001", "10001", "15001"]
    assert {(call.params["limit"], call.credits) for call in calls} == {("5000", 0)}
    full, short = ([{"id": 1}] * count for count in (5000, 4999))
    assert not coinmarketcap.assets_ended(calls[0], Answer({"data": full}))
    assert coinmarketcap.assets_ended(calls[0], Answer({"data": short}))


# --- costs, errors, keys --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "cost"),
    [
        ({"status": status(credit_count=3)}, 3),
        ({"status": status(credit_count=0)}, 0),
        ({"status": status(credit_count=-1)}, None),
        ({"status": status(credit_count=None)}, None),
        ({"status": []}, None),
        ([], None),
    ],
)
def test_an_answer_says_what_it_cost(body: Any, cost: int | None) -> None:
    assert PROVIDER.charged(Answer(body)) == cost


@pytest.mark.parametrize(
    ("code", "kind", "wait"),
    [
        (1001, Unauthorized, None),
        (1002, Unauthorized, None),
        (1003, Unauthorized, None),
        (1005, NotFound, None),
        (1006, NotFound, None),
        (1008, RateLimited, 60.0),
        ("1008", RateLimited, 60.0),
        (1009, RateLimited, 3_600.0),
        (1010, RateLimited, 21_600.0),
        (1011, RateLimited, 120.0),
        (400, NotFound, None),
        (500, Unavailable, None),
        (4002, Unavailable, None),
    ],
)
def test_a_200_with_a_code_is_the_error_that_the_code_says(code: Any, kind: type[ProviderError], wait: Any) -> None:
    problem = PROVIDER.fault(Answer({"status": status(error_code=code, error_message="Because."), "data": []}))
    assert isinstance(problem, kind)
    assert (problem.message, problem.retry_after) == (f"{code}: Because.", wait)


@pytest.mark.parametrize("code", [0, "0", None, True, [], "zero"])
def test_a_200_without_a_code_is_no_error(code: Any) -> None:
    assert PROVIDER.fault(Answer({"status": status(error_code=code), "data": []})) is None
    assert PROVIDER.fault(Answer([])) is None


def test_the_documented_codes_all_mean_something() -> None:
    assert set(range(1001, 1012)) <= PROVIDER.codes.keys()


def test_a_key_is_proven_by_its_own_state_and_the_keyless_plan_by_a_list() -> None:
    assert coinmarketcap.probe(PROVIDER.plan("basic")) == Call("/v1/key/info", credits=0)
    assert coinmarketcap.probe(PROVIDER.plan("keyless")).path == "/v1/cryptocurrency/map"
    assert coinmarketcap.proven({"status": status(), "data": [{"id": 1}]}) == "accepted"
    body = {
        "status": status(credit_count=0),
        "data": {
            "plan": {"credit_limit_monthly": 15000, "rate_limit_minute": 30},
            "usage": {"current_month": {"credits_used": 84, "credits_left": 14916}},
        },
    }
    assert coinmarketcap.proven(body) == "accepted: 14916 of 15000 credits left this month, 30 calls a minute"


@pytest.mark.parametrize("payload", [None, [], {}, {"data": {}}, {"data": {"plan": []}}, {"gecko_says": "hi"}])
def test_what_does_not_answer_like_it_proves_nothing(payload: Any) -> None:
    with pytest.raises(BadPayload):
        coinmarketcap.proven(payload)


def test_a_code_in_the_answer_to_a_probe_is_no_proof() -> None:
    with pytest.raises(Unauthorized):
        coinmarketcap.proven({"status": status(error_code="1001", error_message="This API Key is invalid.")})


def test_only_startup_and_above_have_the_stream_and_candles() -> None:
    streaming = [plan.name for plan in PROVIDER.plans if plan.stream_url]
    assert streaming == ["startup", "standard", "professional"]
    assert {plan.stream_channels for plan in PROVIDER.plans if plan.stream_url} == {100}
    assert [plan.name for plan in PROVIDER.plans if "candles" not in plan.lacks] == streaming
    assert PROVIDER.keyless
    assert PROVIDER.foreign
    assert json.dumps([plan.base_url for plan in PROVIDER.plans]).count("public-api") == 1
