"""The whole way from the simulated market over HTTP to rows, and what every fault it knows comes to."""

import itertools
from collections.abc import Iterator

import orjson
import pytest
from redis import Redis

from providers import client, fetching
from providers.datasets import CANDLE_FIELDS, COIN_FIELDS, Dataset, Fetched
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited, Unavailable
from providers.sandbox import Sandbox

pytestmark = pytest.mark.django_db
USD = Dataset("markets", "usd")


@pytest.fixture
def sandbox(settings, monkeypatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(client, "TOTAL_SECONDS", 1.5)
    with Sandbox(seed=7) as running:
        settings.COINGECKO_BASE_URL = settings.SANDBOX_BASE_URL = running.url
        settings.COINGECKO_CALLS_PER_MINUTE = 0
        yield running


def fetch(dataset: Dataset, *ids: str, redis: Redis) -> Fetched:
    fetched = fetching.fetch(dataset, ids, simulated=True, redis=redis)
    orjson.dumps(fetched.rows)
    return fetched


def test_a_market_of_500_coins_comes_whole_and_in_order(sandbox: Sandbox, redis: Redis) -> None:
    fetched = fetch(USD, redis=redis)
    caps = [row["market_cap"] for row in fetched.rows]
    assert len(fetched.rows) == 500
    assert all(set(row) == set(COIN_FIELDS) for row in fetched.rows)
    assert caps == sorted(caps, key=lambda cap: -(cap or 0))
    assert 0 <= fetched.fetched_at - fetched.as_of < 60_000
    assert (fetched.simulated, fetched.source, fetched.label) == (True, "sandbox", "Sandbox")


def test_the_second_block_has_the_rest_and_the_third_does_not_exist(sandbox: Sandbox, redis: Redis) -> None:
    first, second = fetch(USD, redis=redis), fetch(Dataset("markets", "usd", block=2), redis=redis)
    assert len(second.rows) == first.meta["universe"] - 500
    assert second.calls == 1
    with pytest.raises(NotFound):
        fetch(Dataset("markets", "usd", block=3), redis=redis)


def test_quotes_agree_with_the_market(sandbox: Sandbox, redis: Redis) -> None:
    sandbox.clock.run(0)
    market = {row["id"]: row for row in fetch(USD, redis=redis).rows}
    quotes = fetch(Dataset("quotes", "usd"), "bitcoin", "ethereum", "no-such-coin", redis=redis).rows
    assert {row["id"] for row in quotes} == {"bitcoin", "ethereum"}
    assert all(row == market[row["id"]] for row in quotes)


@pytest.mark.parametrize("days", [1, 7, 14, 30, 90, 180, 365])
def test_candles_of_every_range_are_whole(sandbox: Sandbox, redis: Redis, days: int) -> None:
    fetched = fetch(Dataset("candles", "eur", coin="bitcoin", days=days), redis=redis)
    stamps = [row["timestamp"] for row in fetched.rows]
    step = fetched.meta["interval_ms"]
    assert all(set(row) == set(CANDLE_FIELDS) for row in fetched.rows)
    assert {later - earlier for earlier, later in itertools.pairwise(stamps)} == {step}
    assert stamps[-1] <= fetched.fetched_at < stamps[-1] + 2 * step
    assert sum(row["volume"] is not None for row in fetched.rows) >= len(fetched.rows) - 1
    assert fetched.as_of <= fetched.fetched_at


def test_lists_come_whole(sandbox: Sandbox, redis: Redis) -> None:
    assert {"usd", "eur", "btc", "sats"} <= {row["id"] for row in fetch(Dataset("currencies"), redis=redis).rows}
    assert len(fetch(Dataset("coins"), redis=redis).rows) >= 600


def test_a_coin_that_does_not_exist_is_not_found(sandbox: Sandbox, redis: Redis) -> None:
    with pytest.raises(NotFound):
        fetch(Dataset("candles", "usd", coin="no-such-coin", days=7), redis=redis)


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("status", {}, Unavailable),
        ("status", {"status": 403}, RateLimited),
        ("rate_limited", {}, RateLimited),
        ("rate_limited", {"form": "date"}, RateLimited),
        ("html", {}, Unavailable),
        ("redirect", {}, BadPayload),
        ("empty", {}, BadPayload),
        ("empty_body", {}, BadPayload),
        ("broken_json", {}, BadPayload),
        ("wrong_shape", {}, BadPayload),
        ("hang", {}, Unavailable),
        ("hang", {"headers": True}, Unavailable),
        ("drip", {}, Unavailable),
        ("truncated", {}, Unavailable),
        ("disconnect", {}, Unavailable),
        ("oversize", {}, BadPayload),
        ("gzip_bomb", {}, BadPayload),
    ],
)
def test_a_fault_on_the_second_page_is_its_error_and_never_half_a_market(
    sandbox: Sandbox, redis: Redis, kind: str, options: dict, error: type[ProviderError]
) -> None:
    sandbox.faults.add("/coins/markets", kind, params={"page": "2"}, **options)
    with pytest.raises(error):
        fetch(USD, redis=redis)
    sandbox.faults.clear()
    assert len(fetch(USD, redis=redis).rows) == 500


@pytest.mark.parametrize("kind", ["nan", "nulls", "strings", "markup"])
def test_bad_values_cost_themselves_and_the_market_goes_on(sandbox: Sandbox, redis: Redis, kind: str) -> None:
    sandbox.faults.add("/coins/markets", kind)
    rows = fetch(USD, redis=redis).rows
    assert len(rows) >= 490
    for row in rows:
        assert all(row[name] is None or row[name] >= 0 for name in ("price", "market_cap", "volume_24h"))


def test_prices_below_zero_cost_their_rows_and_too_many_the_whole(sandbox: Sandbox, redis: Redis) -> None:
    sandbox.faults.add("/coins/markets", "negative", params={"page": "2"}, every=7)
    fetched = fetch(USD, redis=redis)
    assert 450 < len(fetched.rows) < 500
    assert all(row["price"] > 0 for row in fetched.rows)
    sandbox.faults.clear()
    sandbox.faults.add("/coins/markets", "negative")
    with pytest.raises(BadPayload):
        fetch(USD, redis=redis)


def test_rows_that_slip_over_the_page_boundary_are_one_coin(sandbox: Sandbox, redis: Redis) -> None:
    sandbox.faults.add("/coins/markets", "overlap", params={"page": "2"}, rows=3)
    ids = [row["id"] for row in fetch(USD, redis=redis).rows]
    assert len(ids) == len(set(ids)) == 497


def test_what_passes_within_a_moment_is_not_noticed(sandbox: Sandbox, redis: Redis) -> None:
    sandbox.faults.add("/coins/markets", "status", times=2)
    fetched = fetch(USD, redis=redis)
    assert (len(fetched.rows), fetched.calls) == (500, 4)


def test_a_document_is_what_was_answered_and_so_is_its_refusal(sandbox: Sandbox, redis: Redis) -> None:
    sandbox.clock.run(0)
    chart = "coins/bitcoin/market_chart?days=1&vs_currency=usd"
    fetched = fetch(Dataset("document", topic=chart), redis=redis)
    [row] = fetched.rows
    assert (row["id"], row["status"], fetched.lasts, fetched.calls) == (chart, 200, 300, 1)
    assert orjson.loads(row["body"]).keys() == {"prices", "market_caps", "total_volumes"}
    refused = fetch(Dataset("document", topic=chart.replace("bitcoin", "nothing")), redis=redis)
    assert (refused.rows[0]["status"], refused.rows[0]["body"]) == (404, '{"error":"coin not found"}')
    assert refused.lasts == 60
