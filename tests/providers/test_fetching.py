import json
from dataclasses import replace

import pytest
from redis import Redis
from structlog.testing import capture_logs

import providers
from providers import access, fetching, ledger
from providers.budget import Budget
from providers.datasets import Dataset
from providers.errors import (
    BadPayload,
    NotFound,
    OutOfBudget,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from providers.models import ApiKey, DailyUsage, ProviderSettings
from providers.vault import Secret
from tests.providers.conftest import KEY, Clock, Reply, Upstream, coin, page_of
from tests.providers.test_adapters import WEEK, candles, chart
from tests.providers.test_client import HOSTILE

pytestmark = pytest.mark.django_db
USD = Dataset("markets", "usd")
QUOTES = Dataset("quotes", "usd")
LAST = {"total": "16989"}


@pytest.fixture(autouse=True)
def upstream_is_the_provider(upstream: Upstream, settings, monkeypatch) -> None:
    """Nobody else is asked: what others do then is in test_failover."""
    both = tuple(provider for provider in providers.all() if provider.name in ("coingecko", "sandbox"))
    monkeypatch.setattr(providers, "all", lambda: both)
    settings.COINGECKO_BASE_URL = settings.SANDBOX_BASE_URL = upstream.url
    settings.COINGECKO_CALLS_PER_MINUTE = 100
    upstream.replies["/coins/markets"] = lambda query: Reply(
        page_of(1 + 250 * (int(query["page"]) - 1), 250), headers=LAST
    )
    upstream.replies["/coins/bitcoin/ohlc"] = Reply(candles(3))
    upstream.replies["/coins/bitcoin/market_chart"] = Reply(chart((candles(1)[0][0], 5.0)))


@pytest.fixture
def entry() -> access.Access:
    return access.of(providers.get("coingecko"))


def test_a_market_is_two_calls_merged_and_says_where_it_is_from(upstream: Upstream, redis: Redis, clock: Clock) -> None:
    fetched = fetching.fetch(USD, redis=redis, now_ms=clock)
    assert [row["id"] for row in fetched.rows] == [f"coin-{n}" for n in range(1, 501)]
    assert [asked.query["page"] for asked in upstream.asked] == ["1", "2"]
    assert (fetched.source, fetched.label, fetched.simulated) == ("coingecko", "CoinGecko", False)
    assert (fetched.calls, fetched.fetched_at, fetched.settle_ms) == (2, clock.ms, 0)
    assert fetched.meta == {"universe": 16989}


def test_data_are_never_newer_than_the_question(upstream: Upstream, redis: Redis, clock: Clock) -> None:
    clock.ms = 1_600_000_000_000
    assert fetching.fetch(USD, redis=redis, now_ms=clock).as_of is None  # years ahead: of an unknown time


@pytest.mark.parametrize(
    "second",
    [
        Reply({}, 500),
        Reply({}, 429),
        Reply([], headers=LAST),
        Reply(page_of(251, 9), headers=LAST),
        Reply({"a": 1}, length=99),
    ],
    ids=["500", "429", "empty", "hole", "cut off"],
)
def test_a_failing_second_page_fails_the_whole(upstream: Upstream, redis: Redis, second: Reply) -> None:
    upstream.replies["/coins/markets"] = lambda query: (
        second if query["page"] == "2" else Reply(page_of(1, 250), headers=LAST)
    )
    with pytest.raises(ProviderError):
        fetching.fetch(USD, redis=redis)


def test_an_empty_answer_is_no_market(upstream: Upstream, redis: Redis) -> None:
    upstream.replies["/coins/markets"] = Reply([])
    with pytest.raises(BadPayload):
        fetching.fetch(USD, redis=redis)


def test_a_small_upstream_is_read_in_one_call(upstream: Upstream, redis: Redis) -> None:
    upstream.replies["/coins/markets"] = Reply(page_of(1, 120))
    fetched = fetching.fetch(USD, redis=redis)
    assert (len(fetched.rows), fetched.calls) == (120, 1)


def test_quotes_are_asked_by_id_in_batches_and_strangers_are_dropped(upstream: Upstream, redis: Redis) -> None:
    upstream.replies["/coins/markets"] = lambda query: Reply(
        [coin(one) for one in [*query["ids"].split(","), "stranger"]]
    )
    ids = [f"coin-{n}" for n in range(300)]
    fetched = fetching.fetch(QUOTES, [*ids, "coin-0"], redis=redis)
    assert sorted(row["id"] for row in fetched.rows) == sorted(ids)
    assert [len(asked.query["ids"].split(",")) for asked in upstream.asked] == [250, 50]


def test_quotes_of_other_coins_than_asked_for_are_refused(upstream: Upstream, redis: Redis) -> None:
    upstream.replies["/coins/markets"] = Reply([coin("ethereum")])
    with pytest.raises(BadPayload, match="other coins"):
        fetching.fetch(QUOTES, ["bitcoin"], redis=redis)


def test_candles_join_prices_and_volumes(upstream: Upstream, redis: Redis) -> None:
    fetched = fetching.fetch(WEEK, redis=redis)
    assert [row["volume"] for row in fetched.rows] == [5.0, None, None]
    assert [(asked.path.rsplit("/", 1)[1], asked.query) for asked in upstream.asked] == [
        ("ohlc", {"vs_currency": "usd", "days": "7"}),
        ("market_chart", {"vs_currency": "usd", "days": "7"}),
    ]


# --- nothing but coins and currencies gets near a URL ---------------------------------------------------------------
@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize(
    "made",
    [
        lambda part: (Dataset("candles", "usd", coin=part, days=7), ()),
        lambda part: (Dataset("candles", part, coin="bitcoin", days=7), ()),
        lambda part: (Dataset("markets", part), ()),
        lambda part: (QUOTES, ["bitcoin", part]),
    ],
    ids=["coin", "currency of candles", "currency", "id"],
)
def test_what_is_no_coin_or_currency_yields_no_request(upstream: Upstream, redis: Redis, made, part: str) -> None:
    dataset, ids = made(part)
    with pytest.raises(NotFound):
        fetching.fetch(dataset, ids, redis=redis)
    assert upstream.asked == []
    assert redis.keys() == []


@pytest.mark.parametrize(
    ("dataset", "ids"),
    [
        (Dataset("candles", "usd", coin="bitcoin", days=8), ()),
        (Dataset("markets", "usd", block=0), ()),
        (Dataset("markets", "USD"), ()),
        (QUOTES, ()),
        (USD, ("bitcoin",)),
        (QUOTES, (None,)),
        (QUOTES, ("bitcoin,ethereum",)),
    ],
)
def test_other_nonsense_yields_no_request_either(
    upstream: Upstream, redis: Redis, dataset: Dataset, ids: tuple
) -> None:
    with pytest.raises(NotFound):
        fetching.fetch(dataset, ids, redis=redis)
    assert upstream.asked == []


# --- budget ---------------------------------------------------------------------------------------------------------
def test_a_fetch_that_does_not_fit_asks_for_nothing(upstream: Upstream, redis: Redis, clock: Clock, settings) -> None:
    settings.COINGECKO_CALLS_PER_MINUTE = 3
    fetching.fetch(USD, redis=redis, now_ms=clock)
    with pytest.raises(OutOfBudget) as caught:
        fetching.fetch(USD, redis=redis, now_ms=clock)
    assert caught.value.retry_after == 61.001
    assert len(upstream.asked) == 2


def test_the_month_pays_for_answers_and_not_for_failures(upstream: Upstream, redis: Redis, entry) -> None:
    fetching.fetch(USD, redis=redis)
    assert Budget(redis).usage(entry).month == 2
    upstream.replies["/coins/markets"] = lambda query: (
        Reply({}, 500) if query["page"] == "2" else Reply(page_of(1, 250))
    )
    with pytest.raises(Unavailable):
        fetching.fetch(USD, redis=redis)
    usage = Budget(redis).usage(entry)
    assert usage.month == 3  # page 1 was a 200
    assert usage.minute == len(upstream.asked) == 2 + 1 + 3


def test_a_second_try_that_the_minute_does_not_hold_is_not_made(upstream: Upstream, redis: Redis, settings) -> None:
    settings.COINGECKO_CALLS_PER_MINUTE = 2
    upstream.replies["/coins/markets"] = Reply({}, 500)
    with pytest.raises(Unavailable):
        fetching.fetch(USD, redis=redis)
    assert len(upstream.asked) == 1


def test_after_a_429_nothing_is_asked_until_it_is_over_then_by_one(
    upstream: Upstream, redis: Redis, clock: Clock
) -> None:
    upstream.replies["/coins/markets"] = Reply({}, 429, {"Retry-After": "30"})
    with pytest.raises(RateLimited):
        fetching.fetch(USD, redis=redis, now_ms=clock)
    for dataset, ids in ((USD, ()), (QUOTES, ("bitcoin",)), (WEEK, ())):
        with pytest.raises(OutOfBudget, match="left alone"):
            fetching.fetch(dataset, ids, redis=redis, now_ms=clock)
    assert len(upstream.asked) == 1
    clock.forward(30)
    upstream.replies["/coins/markets"] = Reply(page_of(1, 3))
    assert fetching.fetch(USD, redis=redis, now_ms=clock).rows
    assert fetching.fetch(USD, redis=redis, now_ms=clock).rows


def test_a_storm_of_429s_is_probed_once_a_rest(upstream: Upstream, redis: Redis, clock: Clock) -> None:
    upstream.replies["/coins/markets"] = Reply({}, 429)
    for _ in range(600):  # ten minutes of a tick a second
        with pytest.raises(ProviderError):
            fetching.fetch(USD, redis=redis, now_ms=clock)
        clock.forward(1)
    assert len(upstream.asked) <= 5


def test_a_refused_key_is_told_once_and_rests(upstream: Upstream, redis: Redis, settings) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    upstream.replies["/coins/markets"] = Reply(
        {"status": {"error_code": 10002, "error_message": "API Key Missing."}}, 401
    )
    with pytest.raises(Unauthorized):
        fetching.fetch(USD, redis=redis)
    for _ in range(5):
        with pytest.raises(OutOfBudget) as caught:
            fetching.fetch(USD, redis=redis)
        assert caught.value.reason == "unauthorized"
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("reply", "public"),
    [
        (
            Reply({"status": {"error_code": 10002, "error_message": "API Key Missing."}}, 401),
            "refuses this site's access",
        ),
        (Reply({}, 429, {"Retry-After": "3000"}), "asks this site to wait"),
        (Reply({"error": "gone from 10.0.0.7"}, 404), "does not have this"),
        (Reply({"error": "oops"}, 200), "sent an answer that cannot be used"),
    ],
)
def test_visitors_read_a_sentence_without_keys_hosts_and_figures(upstream, redis, settings, reply, public) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    upstream.replies["/coins/markets"] = reply
    for _ in range(2):  # asked, and perhaps not asked again since it rests
        with pytest.raises(ProviderError) as caught:
            fetching.fetch(USD, redis=redis, tries=1)
        assert caught.value.public == f"CoinGecko {public}."


def test_visitors_read_of_an_allowance_that_is_used_up_without_its_figures(upstream, redis, settings) -> None:
    settings.COINGECKO_CALLS_PER_MINUTE = 2
    fetching.fetch(USD, redis=redis)
    with pytest.raises(OutOfBudget) as caught:
        fetching.fetch(USD, redis=redis)
    assert caught.value.public == "This site has used its share of CoinGecko's calls for now."


def test_visitors_read_of_every_provider_once(redis, settings, monkeypatch) -> None:
    real = providers.get("coingecko")
    toy = replace(real, name="toy", label="Toy", order=1)
    monkeypatch.setattr(providers, "all", lambda: (toy, real))
    settings.TOY_BASE_URL = settings.COINGECKO_BASE_URL = "http://127.0.0.1:9/api/v3"
    with pytest.raises(Unreachable) as caught:
        fetching.fetch(USD, redis=redis)
    assert caught.value.public == "Toy cannot be reached. CoinGecko cannot be reached."
    assert "127.0.0.1" in caught.value.message


def test_a_key_that_the_operator_enters_is_used_by_the_very_next_fetch(upstream: Upstream, redis: Redis) -> None:
    upstream.replies["/coins/markets"] = Reply({}, 429, {"Retry-After": "3000"})
    with pytest.raises(RateLimited):
        fetching.fetch(USD, redis=redis)
    key = ApiKey(provider=ProviderSettings.objects.get(name="coingecko"), plan="demo")
    key.secret = Secret(KEY)
    key.save()
    upstream.replies["/coins/markets"] = Reply(page_of(1, 3))
    fetching.fetch(USD, redis=redis)
    assert upstream.asked[-1].headers["x-cg-demo-api-key"] == KEY


def test_a_limit_or_an_address_that_the_operator_changes_holds_for_the_next_fetch(upstream, redis, settings) -> None:
    settings.COINGECKO_BASE_URL = "http://127.0.0.1:9/api/v3"
    row = ProviderSettings.objects.get(name="coingecko")
    row.base_url, row.per_minute = upstream.url, 2
    row.save()
    fetching.fetch(USD, redis=redis)
    with pytest.raises(OutOfBudget):
        fetching.fetch(USD, redis=redis)
    row.enabled = False
    row.save()
    with pytest.raises(NotFound, match="switched off"):
        fetching.fetch(USD, redis=redis)


def test_a_provider_out_of_reach_says_so_even_while_it_is_left_alone(redis: Redis, settings, clock: Clock) -> None:
    settings.COINGECKO_BASE_URL = "http://127.0.0.1:9/api/v3"
    for _ in range(5):
        with pytest.raises(Unreachable):
            fetching.fetch(USD, redis=redis, now_ms=clock)


# --- chain ----------------------------------------------------------------------------------------------------------
def test_simulated_data_come_from_simulated_providers_only(upstream: Upstream, redis: Redis, settings) -> None:
    settings.COINGECKO_BASE_URL = "http://127.0.0.1:9/api/v3"
    fetched = fetching.fetch(USD, simulated=True, redis=redis)
    assert (fetched.source, fetched.simulated) == ("sandbox", True)
    settings.COINGECKO_BASE_URL, settings.SANDBOX_BASE_URL = upstream.url, "http://127.0.0.1:9/api/v3"
    assert fetching.fetch(USD, redis=redis).simulated is False
    with pytest.raises(Unreachable):
        fetching.fetch(USD, simulated=True, redis=redis)


def test_the_next_provider_in_order_takes_over_and_the_source_says_who(upstream, redis, settings, monkeypatch) -> None:
    real = providers.get("coingecko")
    monkeypatch.setattr(providers, "all", lambda: (replace(real, name="toy", label="Toy", order=1), real))
    settings.TOY_BASE_URL = "http://127.0.0.1:9/api/v3"
    assert fetching.fetch(USD, redis=redis).source == "coingecko"
    settings.TOY_BASE_URL = upstream.url
    assert fetching.fetch(USD, redis=redis).source == "toy"


# --- telling --------------------------------------------------------------------------------------------------------
def test_every_fetch_is_one_line_and_the_last_is_kept(upstream: Upstream, redis: Redis, entry) -> None:
    with capture_logs() as lines:
        fetching.fetch(USD, redis=redis)
        upstream.replies["/coins/markets"] = Reply({"error": "gone"}, 404)
        with pytest.raises(NotFound):
            fetching.fetch(USD, redis=redis)
    good, bad = [line for line in lines if line["event"] == "fetch"]
    assert (good["outcome"], good["rows"], good["calls"], good["dropped"], good["log_level"]) == (
        "ok",
        500,
        2,
        0,
        "info",
    )
    assert (bad["outcome"], bad["message"], bad["log_level"]) == ("not_found", "404: gone", "warning")
    assert Budget(redis).usage(entry).last["outcome"] == "not_found"


def test_the_key_is_nowhere_but_in_its_header(upstream, redis: Redis, settings, caplog, capsys) -> None:
    settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = KEY, "demo"
    fetching.fetch(USD, redis=redis)
    upstream.replies["/coins/markets"] = Reply({"error": f"your key {KEY} is no good"}, 401)
    with pytest.raises(Unauthorized) as caught:
        fetching.fetch(USD, redis=redis)
    redis.config_set("rdbcompression", "no")  # or a dump would hide what it holds
    stored = json.dumps([str(redis.dump(key)) for key in redis.scan_iter()] + [str(key) for key in redis.scan_iter()])
    shown = "".join([caplog.text, *capsys.readouterr(), str(caught.getrepr(style="native")), stored])
    assert KEY not in shown
    assert KEY[-12:] not in shown
    assert all(asked.headers["x-cg-demo-api-key"] == KEY for asked in upstream.asked)


def test_every_fetch_stands_in_the_ledger(upstream: Upstream, redis: Redis, entry) -> None:
    fetching.fetch(USD, redis=redis, now_ms=Clock(1_775_001_600_000))
    upstream.replies["/coins/markets"] = Reply({"error": "busy"}, 503)
    with pytest.raises(Unavailable):
        fetching.fetch(USD, redis=redis, now_ms=Clock(1_775_001_600_000), tries=1)
    ledger.keep(redis, 1_775_001_600_000)
    line = DailyUsage.objects.get()
    assert (line.calls, line.failures, line.millicredits) == (3, 1, 2000)


def test_keys_are_used_in_turn_and_one_that_is_refused_gives_way_to_the_next(
    upstream: Upstream, redis: Redis, entry
) -> None:
    for n in range(2):
        made = ApiKey(provider=ProviderSettings.objects.get(name="coingecko"), plan="demo", per_month=0)
        made.secret = Secret(f"CG-key-{n}")
        made.save()
    for _ in range(4):
        fetching.fetch(USD, redis=redis)
    used = [asked.headers["x-cg-demo-api-key"] for asked in upstream.asked]
    assert sorted(used) == ["CG-key-0"] * 4 + ["CG-key-1"] * 4
    pages = [Reply(page_of(first, 250), headers=LAST) for first in (1, 251)]
    upstream.replies["/coins/markets"] = [Reply({}, 429), *pages]
    fetching.fetch(USD, redis=redis)
    refused, *served = [asked.headers["x-cg-demo-api-key"] for asked in upstream.asked[-3:]]
    assert refused not in served
    assert len(set(served)) == 1
