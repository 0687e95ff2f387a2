"""The chain: who is asked when somebody fails, with stand-ins on loopback and a clock that moves only when told to."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from django.db import OperationalError
from redis import Redis
from structlog.testing import capture_logs

import providers
from providers import access, chains, fetching, identity, pacing
from providers.breaker import FIRST_SECONDS, GAP_SECONDS, PATIENCE, Breaker
from providers.budget import Budget
from providers.datasets import MEMBERS, Dataset
from providers.errors import BadPayload, NotFound, OutOfBudget, ProviderError, Unauthorized, Unavailable, Unreachable
from providers.models import ApiKey, Asset, AssetAlias, Chain, ProviderSettings
from providers.vault import Secret
from tests.providers.conftest import KEY, Clock, Reply, Upstream, coin, page_of
from tests.providers.test_adapters import WEEK, candles, chart

pytestmark = pytest.mark.django_db
USD, QUOTES = Dataset("markets", "usd"), Dataset("quotes", "usd")
NOWHERE = "http://127.0.0.1:9/api/v3"
DOWN = Reply({}, 500)


@dataclass
class Snapshot:
    """The snapshot in place."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    fetched_at: int = Clock.ms - 60_000
    simulated: bool = False


def serve(upstream: Upstream, count: int = 3, **changes: Any) -> None:
    upstream.replies["/coins/markets"] = Reply(page_of(1, count, **changes))
    upstream.replies["/coins/bitcoin/ohlc"] = Reply(candles(3))
    upstream.replies["/coins/bitcoin/market_chart"] = Reply(chart((candles(1)[0][0], 5.0)))


@pytest.fixture
def second():
    server = Upstream()
    serve(server)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def two_providers(upstream: Upstream, second: Upstream, settings, monkeypatch) -> None:
    """`first` and `second`, which speak CoinGecko's REST; nobody else is asked."""
    real = providers.get("coingecko")
    both = tuple(replace(real, name=name, label=name.title(), order=n) for n, name in enumerate(("first", "second")))
    monkeypatch.setattr(providers, "all", lambda: both)
    serve(upstream)
    settings.FIRST_BASE_URL, settings.SECOND_BASE_URL = upstream.url, second.url
    for name in ("FIRST", "SECOND"):
        setattr(settings, f"{name}_CALLS_PER_MINUTE", 1000)


@pytest.fixture
def ask(redis: Redis, clock: Clock):
    """Asks for a dataset and says who served it."""

    def ask(dataset: Dataset = USD, **options: Any) -> str:
        return fetching.fetch(dataset, redis=redis, now_ms=clock, tries=1, **options).source

    return ask


def state(redis: Redis, clock: Clock, name: str = "first") -> str:
    return Breaker(redis, clock).state(name).state


# --- failing over and coming back -----------------------------------------------------------------------------------
@pytest.mark.parametrize("dataset", [USD, WEEK], ids=["markets", "candles"])
@pytest.mark.parametrize(
    "reply", [DOWN, Reply(b"<html>", type="text/html"), Reply(b"{", 200), Reply({}, 200), Reply({}, 429)]
)
def test_whatever_befalls_the_first_the_second_serves_at_once(upstream, ask, dataset: Dataset, reply: Reply) -> None:
    upstream.replies = dict.fromkeys(upstream.replies, reply)
    assert ask(dataset) == "second"


def test_a_provider_that_failed_often_enough_is_left_alone(upstream: Upstream, ask) -> None:
    upstream.replies = {}
    upstream.replies["/coins/markets"] = DOWN
    assert [ask() for _ in range(10)] == ["second"] * 10
    assert len(upstream.asked) == PATIENCE


def test_who_fails_at_categories_is_asked_for_the_market_all_the_same(upstream, ask, redis, clock: Clock) -> None:
    upstream.replies["/coins/markets"] = DOWN
    assert [ask(dataset) for dataset in MEMBERS] == ["second"] * len(MEMBERS)
    assert state(redis, clock) == "closed"
    serve(upstream)
    assert ask() == "first"


def test_a_trial_by_a_category_that_fails_leaves_the_next_one_to_the_market(upstream, ask, redis, clock) -> None:
    upstream.replies["/coins/markets"] = DOWN
    for _ in range(PATIENCE):
        ask()
    clock.forward(FIRST_SECONDS)
    assert ask(MEMBERS[0]) == "second"
    assert state(redis, clock) == "trial"
    serve(upstream)
    ask()
    clock.forward(GAP_SECONDS)
    assert ask() == "first"


def test_it_comes_back_by_itself_after_two_good_trials_and_not_before(upstream, ask, redis, clock: Clock) -> None:
    upstream.replies["/coins/markets"] = DOWN
    for _ in range(PATIENCE):
        ask()
    serve(upstream)
    served = []
    for _ in range(30):
        clock.forward(1)
        served.append(ask())
    changes = sum(one != other for one, other in pairwise(served))
    assert (served[0], served[-1], changes) == ("second", "first", 1)
    back = served.index("first") + 1
    assert FIRST_SECONDS * 0.9 + GAP_SECONDS <= back <= FIRST_SECONDS + GAP_SECONDS + 1
    assert state(redis, clock) == "closed"


def test_one_that_comes_and_goes_does_not_flap(upstream: Upstream, ask, clock: Clock) -> None:
    served = []
    for second in range(600):
        upstream.replies["/coins/markets"] = DOWN if second % 40 < 20 else Reply(page_of(1, 3))
        served.append(ask())
        clock.forward(1)
    changes = sum(one != other for one, other in pairwise(served))
    assert changes <= 8  # it went away and came back fifteen times each


def test_a_trial_does_not_keep_those_waiting_whom_another_serves(upstream, ask, clock: Clock, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "TRIAL_SECONDS", 0.3)
    upstream.replies["/coins/markets"] = DOWN
    for _ in range(PATIENCE):
        ask()
    upstream.replies["/coins/markets"] = Reply(hang=True)
    clock.forward(FIRST_SECONDS)
    with capture_logs() as lines:
        assert ask() == "second"
    tried, _ = [line for line in lines if line["event"] == "fetch"]
    assert (tried["provider"], tried["outcome"]) == ("first", "unavailable")
    assert tried["seconds"] < 2


def test_one_that_hangs_leaves_the_next_its_share_of_the_time(upstream: Upstream, ask, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "TOTAL_SECONDS", 1.0)
    upstream.replies["/coins/markets"] = Reply(hang=True)
    assert ask() == "second"


def test_a_trial_is_used_when_nobody_else_can_serve(upstream: Upstream, second: Upstream, ask, clock: Clock) -> None:
    upstream.replies["/coins/markets"] = DOWN
    for _ in range(PATIENCE):
        ask()
    serve(upstream)
    second.replies["/coins/markets"] = DOWN
    with pytest.raises(Unavailable, match="left alone"):
        ask()
    clock.forward(FIRST_SECONDS)
    assert ask() == "first"
    assert ask() == "first", "the second trial need not be waited for either"


def test_with_both_gone_each_is_asked_sooner_than_its_pause(upstream, second, ask, clock: Clock) -> None:
    upstream.replies["/coins/markets"] = second.replies["/coins/markets"] = DOWN
    for _ in range(1200):
        with pytest.raises(ProviderError):
            ask()
        clock.forward(1)
    serve(upstream)
    back = [source for _ in range(61) if (source := served_or_not(ask, clock))]
    assert back[0] == "first"
    assert len(upstream.asked) < 90


def served_or_not(ask, clock: Clock) -> str | None:
    """Who serves now; a second later it may be somebody."""
    try:
        return ask()
    except ProviderError:
        clock.forward(1)
        return None


# --- keys -----------------------------------------------------------------------------------------------------------
def enter(*texts: str, name: str = "first") -> None:
    row = ProviderSettings.objects.get_or_create(name=name)[0]
    for text in texts:
        key = ApiKey(provider=row, plan="demo")
        key.secret = Secret(text)
        key.save()


def replies_by_key(upstream: Upstream, refused: dict[str, Reply]) -> None:
    def answer(_query: dict[str, str]) -> Reply:
        return refused.get(upstream.asked[-1].headers["x-cg-demo-api-key"], Reply(page_of(1, 3)))

    upstream.replies["/coins/markets"] = answer


ONE, TWO = f"{KEY}-one", f"{KEY}-two"


@pytest.mark.parametrize("reply", [Reply({}, 401), Reply({}, 429)])
def test_a_refused_key_leads_to_the_next_key_of_the_same_provider(upstream, ask, redis, clock, reply: Reply) -> None:
    enter(ONE, TWO)
    first, other = (entry.key.reveal() for entry in access.all_of(providers.all()[0]))
    replies_by_key(upstream, {first: reply})
    assert ask() == "first"
    assert upstream.asked[-1].headers["x-cg-demo-api-key"] == other
    assert ask() == "first"
    used = [asked.headers["x-cg-demo-api-key"] for asked in upstream.asked]
    assert used.count(first) == 1, "a refused key is not tried again"
    assert state(redis, clock) == "closed"


def test_when_all_keys_are_refused_the_next_provider_serves_and_the_breaker_has_no_part(
    upstream, ask, redis, clock
) -> None:
    enter(ONE, TWO)
    replies_by_key(upstream, dict.fromkeys((ONE, TWO), Reply({}, 401)))
    with capture_logs() as lines:
        assert [ask() for _ in range(20)] == ["second"] * 20
    refused = [line for line in lines if line["event"] == "fetch" and line["outcome"] == "unauthorized"]
    assert len(refused) == len(upstream.asked) == 2, "each wrong key is reported once"
    assert state(redis, clock) == "closed"
    entry = access.all_of(providers.all()[0])[0]
    assert Budget(redis, clock).usage(entry).last["outcome"] == "unauthorized"


def test_a_provider_without_the_key_it_needs_is_passed_over(upstream: Upstream, ask, monkeypatch) -> None:
    first, other = providers.all()
    keyed = replace(first, plans=tuple(plan for plan in first.plans if plan.header))
    monkeypatch.setattr(providers, "all", lambda: (keyed, other))
    assert ask() == "second"
    assert upstream.asked == []
    ProviderSettings.objects.get_or_create(name="second", defaults={"enabled": False})
    ProviderSettings.objects.filter(name="second").update(enabled=False)
    with pytest.raises(NotFound, match="First needs a key; Second is switched off"):
        ask()


# --- when all fail --------------------------------------------------------------------------------------------------
def test_the_error_names_what_each_said_and_the_soonest_time(upstream: Upstream, second: Upstream, ask) -> None:
    upstream.replies["/coins/markets"] = Reply({"error": "all is lost"}, 429, {"Retry-After": "90"})
    second.replies["/coins/markets"] = Reply({"error": "me too"}, 429, {"Retry-After": "30"})
    with pytest.raises(ProviderError) as caught:
        ask()
    assert caught.value.message == "First: 429: all is lost; Second: 429: me too"
    assert (caught.value.retry_after, caught.value.permanent) == (30.0, False)


def test_calls_are_counted_whoever_answered(upstream: Upstream, second: Upstream, redis, clock) -> None:
    upstream.replies["/coins/markets"] = DOWN
    how = {"redis": redis, "now_ms": clock, "tries": 1}
    fetched = fetching.fetch(USD, **how)
    assert (fetched.source, fetched.calls) == ("second", len(upstream.asked) + len(second.asked))
    before = len(upstream.asked) + len(second.asked)
    second.replies["/coins/markets"] = DOWN
    with pytest.raises(Unavailable) as failed:
        fetching.fetch(USD, **how)
    assert failed.value.calls == len(upstream.asked) + len(second.asked) - before > 0


def test_out_of_reach_are_we_only_if_all_are(second: Upstream, ask, settings) -> None:
    settings.FIRST_BASE_URL = NOWHERE
    second.replies["/coins/markets"] = Reply({}, 401)
    with pytest.raises(Unauthorized) as caught:
        ask()
    assert not caught.value.permanent, "the other may come back by itself"
    settings.SECOND_BASE_URL = NOWHERE
    for _ in range(PATIENCE + 2):
        with pytest.raises(Unreachable):
            ask()


def test_a_provider_out_of_budget_gives_way(ask, settings) -> None:
    settings.FIRST_CALLS_PER_MINUTE = settings.SECOND_CALLS_PER_MINUTE = 2
    assert [ask(), ask()] == ["first", "second"]
    with pytest.raises(OutOfBudget, match=r"First: .*; Second: "):
        ask()


def test_a_coin_that_only_one_has_is_had_from_that_one(upstream: Upstream, ask) -> None:
    upstream.replies["/coins/bitcoin/ohlc"] = Reply({"error": "coin not found"}, 404)
    assert ask(WEEK) == "second"


# --- the operator's order -------------------------------------------------------------------------------------------
def order(kind: str, text: str) -> None:
    Chain.objects.update_or_create(kind=kind, defaults={"order": text})


def test_the_operators_order_holds_for_the_next_fetch_and_for_its_kind_only(ask) -> None:
    order("markets", "second, first")
    assert (ask(USD), ask(WEEK)) == ("second", "first")
    order("markets", "")
    assert ask(USD) == "first"


def test_who_is_not_named_is_not_asked(second: Upstream, ask) -> None:
    order("markets", "second")
    second.replies["/coins/markets"] = DOWN
    with pytest.raises(Unavailable):
        ask()


def test_names_whose_adapters_have_gone_are_passed_over(ask) -> None:
    order("markets", "gone, second")
    assert ask() == "second"
    order("markets", "gone")
    assert ask() == "first"


def test_while_the_database_is_away_the_last_order_holds_and_that_is_said_once(ask, monkeypatch) -> None:
    order("markets", "second, first")
    assert ask() == "second"

    def away(**_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(Chain.objects, "filter", away)
    with capture_logs() as lines:
        assert [ask(), ask()] == ["second", "second"]
    assert [line["event"] for line in lines if line["event"] != "fetch"] == [
        "order of providers unread, the last known holds"
    ]


def test_a_trial_that_asks_nothing_leaves_it_to_the_next(upstream: Upstream, ask, clock: Clock, settings) -> None:
    upstream.replies["/coins/markets"] = DOWN
    for _ in range(PATIENCE):
        ask()
    serve(upstream)
    clock.forward(FIRST_SECONDS)
    settings.FIRST_CALLS_PER_MINUTE = 1
    assert ask(WEEK) == "second", "two calls do not fit"
    settings.FIRST_CALLS_PER_MINUTE = 1000
    asked = len(upstream.asked)
    assert ask() == "second", "a first good trial"
    assert len(upstream.asked) > asked


def test_every_polled_kind_has_a_row_to_be_changed() -> None:
    assert {"markets", "quotes", "candles", "currencies", "coins"} <= set(Chain.objects.values_list("kind", flat=True))


@pytest.fixture
def small(monkeypatch) -> None:
    """The plan of `first` has no candles."""
    first, other = providers.all()
    plans = tuple(replace(plan, lacks=frozenset({"candles"})) for plan in first.plans)
    monkeypatch.setattr(providers, "all", lambda: (replace(first, plans=plans), other))


@pytest.mark.usefixtures("small")
def test_a_provider_is_not_asked_for_what_its_plan_lacks(upstream: Upstream, ask, settings, redis) -> None:
    assert (ask(), ask(WEEK)) == ("first", "second")
    assert set(upstream.paths) == {"/coins/markets"}
    settings.SECOND_CALLS_PER_MINUTE = 4
    found = pacing.intervals([USD, *[replace(WEEK, coin=f"coin-{n}") for n in range(90)]], redis=redis)
    assert found.pop("markets:usd") == 60, "the first pays for it alone"
    (pace,) = set(found.values())
    assert pace == pytest.approx(3375), "of the second, which pays for 90 times 2 out of 0.8 times 4 a minute"


@pytest.mark.usefixtures("small")
def test_where_no_plan_has_it_that_is_said(upstream: Upstream, ask) -> None:
    ProviderSettings.objects.create(name="second", enabled=False)
    said = "First has no candles with plan keyless; Second is switched off"
    with pytest.raises(NotFound, match=said):
        ask(WEEK)
    assert upstream.asked == []


def test_what_a_provider_lists_is_asked_of_that_one_only(monkeypatch) -> None:
    both = tuple(
        replace(one, endpoints=(replace(one.endpoints[0], kind="assets"),)) if one.endpoints else one
        for one in providers.all()
    )
    monkeypatch.setattr(providers, "all", lambda: both)
    assert [one.name for one, _ in chains.for_dataset(Dataset("assets", topic="second"))] == ["second"]


# --- ids of their own -----------------------------------------------------------------------------------------------
@pytest.fixture
def foreign(monkeypatch) -> None:
    """`first` has ids of its own: Bitcoin is coin-1 there, and coin-2 is a coin that nobody knows."""
    first, other = providers.all()
    monkeypatch.setattr(providers, "all", lambda: (replace(first, foreign=True), other))
    monkeypatch.setattr(identity, "_dictionary", identity.Dictionary())  # what it believes outlives a test
    asset = Asset.objects.create(id="bitcoin", symbol="BTC", name="Bitcoin")
    AssetAlias.objects.create(provider="first", foreign_id="coin-1", symbol="BTC", name="Bitcoin", asset=asset)
    AssetAlias.objects.create(provider="first", foreign_id="coin-2", symbol="BTC", name="Another")


@pytest.mark.usefixtures("foreign")
def test_rows_come_by_our_ids_and_what_nobody_knows_is_dropped_and_counted(redis: Redis, clock: Clock) -> None:
    with capture_logs() as lines:
        fetched = fetching.fetch(USD, redis=redis, now_ms=clock)
    assert (fetched.source, [row["id"] for row in fetched.rows]) == ("first", ["bitcoin"])
    (line,) = [line for line in lines if line["event"] == "fetch"]
    assert (line["rows"], line["unmapped"], line["dropped"]) == (1, 2, 0)


@pytest.mark.usefixtures("foreign")
def test_coins_are_asked_for_by_the_providers_own_ids(upstream: Upstream, redis: Redis, clock: Clock) -> None:
    upstream.replies["/coins/markets"] = lambda query: Reply([coin(one) for one in query["ids"].split(",")])
    fetched = fetching.fetch(QUOTES, ["bitcoin", "unheard-of"], redis=redis, now_ms=clock)
    assert (fetched.source, [row["id"] for row in fetched.rows]) == ("first", ["bitcoin"])
    assert upstream.asked[-1].query["ids"] == "coin-1"
    upstream.replies["/coins/coin-1/ohlc"] = Reply(candles(3))
    upstream.replies["/coins/coin-1/market_chart"] = Reply(chart((candles(1)[0][0], 5.0)))
    fetched = fetching.fetch(WEEK, redis=redis, now_ms=clock)
    assert (fetched.source, fetched.dataset) == ("first", WEEK)


@pytest.mark.usefixtures("foreign")
def test_a_coin_that_a_provider_is_not_known_to_have_is_asked_of_the_next(upstream, second, redis, clock) -> None:
    second.replies["/coins/ethereum/ohlc"] = Reply(candles(3))
    second.replies["/coins/ethereum/market_chart"] = Reply(chart((candles(1)[0][0], 5.0)))
    ether = Dataset("candles", "usd", "ethereum", 7)
    assert fetching.fetch(ether, redis=redis, now_ms=clock).source == "second"
    assert upstream.asked == []


def sound_page(**changes: Any) -> list[dict[str, Any]]:
    """Five coins of which every value can be: a market cap that goes with the day's volume."""
    return [row | {"total_volume": 1_000_000} for row in page_of(1, 5, **changes)]


# --- who lies -------------------------------------------------------------------------------------------------------
def test_a_jump_costs_the_row_and_is_counted(upstream: Upstream, redis: Redis, clock: Clock) -> None:
    rows = sound_page(current_price=100.0)
    rows[2]["current_price"] = 1e14
    upstream.replies["/coins/markets"] = Reply(rows)
    before = Snapshot([{"id": f"coin-{n}", "price": 100.0} for n in range(1, 6)])
    with capture_logs() as lines:
        fetched = fetching.fetch(USD, redis=redis, now_ms=clock, before=before)
    assert [row["id"] for row in fetched.rows] == ["coin-1", "coin-2", "coin-4", "coin-5"]
    line = next(line for line in lines if line["event"] == "fetch")
    assert line["implausible_values"] == "high_24h 1, low_24h 1, sparkline 1", (
        "those of the row, held against its price"
    )
    assert line["implausible"] == 1 + 3
    again = replace_rows(before, fetched.rows)
    assert len(fetching.fetch(USD, redis=redis, now_ms=clock, before=again).rows) == 4, "it is not believed next time"


def replace_rows(snapshot: Snapshot, rows: list[dict[str, Any]]) -> Snapshot:
    return Snapshot(rows, snapshot.fetched_at)


@pytest.mark.parametrize("price", [-5, 0])
def test_a_price_that_is_none_costs_the_row_and_not_the_snapshot(upstream, redis, clock, price: float) -> None:
    rows = sound_page()
    rows[2]["current_price"] = price
    upstream.replies["/coins/markets"] = Reply(rows)
    with capture_logs() as lines:
        fetched = fetching.fetch(USD, redis=redis, now_ms=clock)
    assert [row["id"] for row in fetched.rows] == ["coin-1", "coin-2", "coin-4", "coin-5"]
    (line,) = [line for line in lines if line["event"] == "fetch"]
    assert line["dropped"] + line["implausible"] == 1


def test_a_market_that_is_off_as_a_whole_is_refused_and_the_next_provider_serves(upstream, second, ask) -> None:
    serve(upstream, count=5, current_price=1e14)
    serve(second, count=5, current_price=100.0)
    before = Snapshot([{"id": f"coin-{n}", "price": 100.0} for n in range(1, 6)])
    assert ask(before=before) == "second"


def test_one_coin_that_jumps_is_believed_when_the_next_provider_says_the_same(upstream, second, redis, clock) -> None:
    for server in (upstream, second):
        server.replies["/coins/markets"] = Reply([coin("bitcoin", current_price=0.01)])
    before = Snapshot([{"id": "bitcoin", "price": 100_000.0}])
    fetched = fetching.fetch(QUOTES, ["bitcoin"], redis=redis, now_ms=clock, before=before)
    assert (fetched.source, fetched.rows[0]["price"]) == ("second", 0.01)


def test_what_was_simulated_is_not_held_against_what_is_real(upstream: Upstream, ask) -> None:
    serve(upstream, count=5, current_price=1e14)
    before = Snapshot([{"id": f"coin-{n}", "price": 100.0} for n in range(1, 6)], simulated=True)
    assert ask(before=before) == "first"


def test_an_answer_that_is_an_error_although_it_is_a_200_is_an_error(
    upstream, second, redis, clock, monkeypatch
) -> None:
    first, other = providers.all()
    said = BadPayload(f"1001: this key {KEY} will not do")
    monkeypatch.setattr(providers, "all", lambda: (replace(first, fault=lambda _answer: said), other))
    enter(KEY)
    with capture_logs() as lines:
        assert fetching.fetch(USD, redis=redis, now_ms=clock).source == "second"
    (failed, _) = [line for line in lines if line["event"] == "fetch"]
    assert failed["outcome"] == "bad_payload"
    assert failed["message"] == "1001: this key *** will not do"
