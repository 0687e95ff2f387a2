"""CoinAPI's adapter: its calls, its rows, what it makes of errors; and the same against the stand-in."""

import math
from collections.abc import Iterator

import pytest

import providers
from providers import client
from providers.access import Access
from providers.adapters import coinapi
from providers.base import Answer, Call, Normalised
from providers.datasets import CANDLE_RANGES, Dataset
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited, Unauthorized
from providers.vault import Secret
from standins.coinapi import Coinapi

KEY = "73034021-canary-0000-0000-000000000000"
NOW = 1_795_190_412_000
PROVIDER = providers.get("coinapi")
EUR = Dataset("quotes", "eur")


def access_to(standin: Coinapi, key: str = KEY) -> Access:
    plan = PROVIDER.plans[0]
    return Access(
        provider=PROVIDER, plan=plan, base_url=standin.url, stream_url="", key=Secret(key), per_minute=0, per_month=0
    )


@pytest.fixture
def standin() -> Iterator[Coinapi]:
    with Coinapi(key=KEY, clock=lambda: NOW, pulse_seconds=0) as running:
        yield running


def fetched(standin: Coinapi, dataset: Dataset, *ids: str, now: float = NOW / 1000) -> Normalised:
    endpoint = PROVIDER.endpoint(dataset.kind)
    calls = endpoint.calls(dataset, ids, round(now * 1000))
    answers = [client.fetch_json(access_to(standin), call, tries=1, max_bytes=2**22) for call in calls]
    return endpoint.normalise(dataset, answers)


def quoted(*rates: object, base: str = "EUR") -> Normalised:
    return coinapi.normalise_quotes(EUR, [Answer({"asset_id_base": base, "rates": list(rates)})])


def rate(asset: object = "BTC", value: object = 2.5, time: object = "2026-10-07T08:08:36.3210000Z") -> dict:
    return {"asset_id_quote": asset, "rate": value, "time": time}


# --- calls ----------------------------------------------------------------------------------------------------------
def test_a_hundred_assets_are_asked_for_in_one_call_at_one_credit() -> None:
    calls = coinapi.quote_calls(EUR, tuple(f"A{n}" for n in range(201)))
    assert [len(call.params["filter_asset_id"].split(",")) for call in calls] == [100, 100, 1]
    assert {(call.full_path, call.params["invert"], call.credits) for call in calls} == {
        ("/v1/exchangerate/EUR", "true", 1)
    }


@pytest.mark.parametrize("days", CANDLE_RANGES)
def test_candles_cover_their_days_with_no_more_than_a_credit_buys(days: int) -> None:
    dataset = Dataset("candles", "usd", coin="BTC", days=days)
    (call,) = coinapi.candle_calls(dataset, (), NOW)
    assert call.full_path == "/v1/exchangerate/BTC/USD/history"
    start, end = (coinapi.Cleaner().millis(call.params[name]) for name in ("time_start", "time_end"))
    step = coinapi._PERIODS[days].length_ms
    assert start % step == end % step == 0
    assert end - step < NOW <= end
    assert start <= NOW - days * 86_400_000 + step
    assert (end - start) // step <= 100 == int(call.params["limit"])


# --- rows -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [0, -1, None, True, "104321", math.nan, math.inf, [], {}])
def test_a_rate_that_cannot_be_believed_is_left_out(value: object) -> None:
    made = quoted(rate(), rate("ETH", value))
    assert [row["id"] for row in made.rows] == ["BTC"]
    assert made.dropped == 1


def test_rates_of_another_currency_are_refused() -> None:
    with pytest.raises(BadPayload, match="another currency than eur"):
        quoted(rate(), base="USD")


def test_quotes_are_as_old_as_their_oldest_rate_and_an_unreadable_time_is_none() -> None:
    made = quoted(rate(), rate("ETH", time="2026-10-07T08:00:00.0000000Z"), rate("XRP", time="yesterday"))
    assert made.as_of == 1_791_360_000_000
    assert [row["last_updated"] for row in made.rows] == [1_791_360_516_321, 1_791_360_000_000, None]
    assert made.blanked == 1


def test_assets_that_are_not_known_are_just_absent() -> None:
    with pytest.raises(NotFound):
        quoted()


@pytest.mark.parametrize("spoilt", [{"rate_low": 3.0}, {"rate_open": None}, {"rate_high": "4"}, {"rate_close": 0}])
def test_a_candle_that_cannot_be_is_dropped(spoilt: dict) -> None:
    good = {"rate_open": 2.0, "rate_high": 4.0, "rate_low": 1.0, "rate_close": 3.0, "time_close": None}
    starts = [f"2026-10-07T{hour:02}:00:00.0000000Z" for hour in (0, 4)]
    dataset = Dataset("candles", "usd", coin="BTC", days=7)
    raws = [{**good, "time_period_start": starts[0]}, {**good, "time_period_start": starts[1], **spoilt}]
    made = coinapi.normalise_candles(dataset, [Answer(raws)])
    assert (len(made.rows), made.dropped) == (1, 1)
    assert made.as_of == made.rows[0]["timestamp"]


# --- errors and costs -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        ({"error": "Invalid API key"}, None, "Invalid API key"),
        ({"error": "You requested specific single item that we don't have at this moment."}, 404, "You requested"),
        ({"title": "Forbidden", "detail": "Quota exceeded", "status": 403}, 403, "Quota exceeded"),
        ({"error": "Your API key doesn't have enough privileges to access this resource"}, 404, "Your API key"),
        ({}, None, ""),
        (None, None, ""),
        (["x"], None, ""),
        ({"error": {"nested": 1}}, None, ""),
    ],
)
def test_its_sentences_say_what_its_errors_mean(body: object, code: int | None, sentence: str) -> None:
    made = coinapi.explain(body)
    assert made[0] == code
    assert made[1].startswith(sentence)


@pytest.mark.parametrize(
    ("header", "cost"), [("3", 3), ("0", 0), ("", None), ("-1", None), ("many", None), ("9" * 30, None)]
)
def test_what_an_answer_cost_is_read_from_its_header(header: str, cost: int | None) -> None:
    assert coinapi.charged(Answer([], {"x-ratelimit-request-cost": header})) == cost
    assert coinapi.charged(Answer([])) is None


# --- against the stand-in -------------------------------------------------------------------------------------------
def test_prices_are_those_of_the_market(standin: Coinapi) -> None:
    made = fetched(standin, EUR, "BTC", "ETH", "NOSUCHCOIN")
    assert {row["id"]: row["price"] for row in made.rows} == pytest.approx(
        {"BTC": standin.price("bitcoin", "eur"), "ETH": standin.price("ethereum", "eur")}
    )
    assert made.as_of == NOW


def test_a_lie_of_the_standin_is_told_in_every_interface(standin: Coinapi) -> None:
    honest = fetched(standin, EUR, "BTC").rows[0]["price"]
    standin.lies["bitcoin"] = 2.0
    assert fetched(standin, EUR, "BTC").rows[0]["price"] == pytest.approx(2 * honest)


@pytest.mark.parametrize("days", CANDLE_RANGES)
def test_candles_stand_on_their_grid_up_to_now(standin: Coinapi, days: int) -> None:
    dataset = Dataset("candles", "usd", coin="BTC", days=days)
    made = fetched(standin, dataset, now=NOW / 1000)
    stamps, step = [row["timestamp"] for row in made.rows], made.meta["interval_ms"]
    assert stamps == list(range(stamps[0], stamps[-1] + 1, step))
    assert stamps[-1] <= NOW < stamps[-1] + step
    assert stamps[0] <= NOW - days * 86_400_000 + step
    assert made.rows[-1]["close"] == pytest.approx(standin.price("bitcoin"))
    assert made.as_of == NOW
    assert standin.used == 1


def test_assets_are_the_coins_of_the_market_without_the_monies(standin: Coinapi) -> None:
    made = fetched(standin, Dataset("assets", topic="coinapi"))
    listed = {row["foreign_id"]: row["name"] for row in made.rows}
    assert listed["BTC"] == "Bitcoin"
    assert "USD" not in listed
    assert set(listed) == set(standin.coins)


@pytest.mark.parametrize(("key", "sentence"), [("", "Missing API key"), ("other", "Invalid API key")])
def test_a_wrong_key_is_a_permanent_error_in_words(standin: Coinapi, key: str, sentence: str) -> None:
    with pytest.raises(Unauthorized, match=sentence) as refusal:
        client.fetch_json(access_to(standin, key), PROVIDER.probe(PROVIDER.plans[0]), tries=1)
    assert refusal.value.permanent


def test_the_right_key_is_proven_by_one_credit(standin: Coinapi) -> None:
    answer = client.fetch_json(access_to(standin), PROVIDER.probe(PROVIDER.plans[0]), tries=1)
    assert PROVIDER.proven(answer.payload) == "accepted"
    assert PROVIDER.charged(answer) == 1
    assert answer.headers["x-ratelimit-used"] == "1"


def test_the_quota_of_the_last_24_hours_runs_out_and_comes_back() -> None:
    with Coinapi(key=KEY, clock=lambda: NOW, pulse_seconds=0, per_day=2) as standin:
        probe = PROVIDER.probe(PROVIDER.plans[0])
        answers = [client.fetch_json(access_to(standin), probe, tries=1) for _ in range(2)]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0"]
        standin.clock.advance(60_000)
        with pytest.raises(RateLimited, match="exceeded your API key rate limits") as refusal:
            client.fetch_json(access_to(standin), probe, tries=1)
        assert refusal.value.retry_after == 86_400 - 60
        standin.clock.advance(86_400_000)
        assert client.fetch_json(access_to(standin), probe, tries=1).payload["asset_id_base"] == "BTC"


def test_what_it_has_no_data_of_is_not_found_and_not_asked_for_again(standin: Coinapi) -> None:
    call = Call("/v1/exchangerate/{base}/{quote}", parts={"base": "NOSUCHCOIN", "quote": "USD"})
    with pytest.raises(NotFound, match="550"):
        client.fetch_json(access_to(standin), call)
    assert len(standin.requests) == 1


def test_a_history_of_many_items_costs_many_credits(standin: Coinapi) -> None:
    params = {"period_id": "1HRS", "time_start": "2026-11-01T00:00:00", "time_end": "2026-11-11T00:00:00"}
    call = Call("/v1/exchangerate/BTC/USD/history", {**params, "limit": "1000"})
    answer = client.fetch_json(access_to(standin), call, tries=1)
    assert (len(answer.payload), PROVIDER.charged(answer)) == (240, 3)
    for wrong in ({"period_id": "1FORTNIGHT"}, {"time_start": "now"}, {"limit": "0"}):
        with pytest.raises(NotFound, match="400"):
            client.fetch_json(access_to(standin), Call(call.path, {**call.params, **wrong}), tries=1)


@pytest.mark.parametrize(
    ("fault", "options", "error"),
    [
        ("status", {"status": 401, "message": "Invalid API key"}, "unauthorized"),
        ("status", {"status": 403, "message": "Quota exceeded"}, "rate_limited"),
        ("status", {"status": 403, "message": "not enough privileges"}, "not_found"),
        ("rate_limited", {"retry_after": 7}, "rate_limited"),
        ("status", {"status": 503}, "unavailable"),
        ("truncated", {}, "unavailable"),
        ("disconnect", {}, "unavailable"),
        ("html", {}, "unavailable"),
        ("broken_json", {}, "bad_payload"),
        ("nan", {}, "bad_payload"),
        ("nulls", {}, "bad_payload"),
        ("strings", {}, "bad_payload"),
        ("negative", {}, "bad_payload"),
        ("wrong_shape", {}, "bad_payload"),
        ("empty", {}, "bad_payload"),
        ("oversize", {"bytes": 2**22 + 1}, "bad_payload"),
    ],
)
def test_every_fault_is_an_error_of_its_kind(standin: Coinapi, fault: str, options: dict, error: str) -> None:
    standin.faults.add("/v1/exchangerate", fault, **options)
    with pytest.raises(ProviderError) as failure:
        fetched(standin, EUR, "BTC", "ETH")
    assert failure.value.code == error
    assert KEY not in str(failure.value)
