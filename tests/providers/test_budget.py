import random
from bisect import bisect_right
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from redis import Redis

import providers
from providers.access import Access
from providers.budget import LONGEST_REST, PROBE_MS, Budget, Usage, forecast, month_of
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
from providers.minute import WINDOW_SECONDS
from providers.pacing import Poll, allowed, factors
from tests.providers.conftest import KEY, Clock, access_to

APRIL = 1_775_001_600_000  # 2026-04-01 00:00 UTC; the month has 30 days
DAY = 86_400


def account(per_minute: int = 5, per_month: int = 0, **changes) -> Access:
    return access_to("http://127.0.0.1:9/api/v3", per_minute=per_minute, per_month=per_month, **changes)


@pytest.fixture
def clock() -> Clock:
    return Clock(APRIL)


@pytest.fixture
def budget(redis: Redis, clock: Clock) -> Budget:
    return Budget(redis, clock, jitter=lambda: 0.5)


def spent(budget: Budget, entry: Access, calls: int = 1, urgent: bool = True, behind: int = 0) -> bool:
    try:
        budget.spend(entry, calls, urgent=urgent, behind=behind)
    except OutOfBudget:
        return False
    return True


# --- the minute -----------------------------------------------------------------------------------------------------
def test_a_minute_takes_its_calls_and_then_says_how_long_to_wait(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=5)
    budget.spend(entry, 2)
    clock.forward(10)
    budget.spend(entry, 3)
    with pytest.raises(OutOfBudget, match="this minute") as caught:
        budget.spend(entry, 1)
    assert (caught.value.reason, caught.value.retry_after) == ("minute", 51.001)
    clock.forward(51.001)
    budget.spend(entry, 2)


def test_calls_are_taken_together_or_not_at_all(budget: Budget) -> None:
    entry = account(per_minute=3)
    budget.spend(entry, 2)
    assert not spent(budget, entry, 2)
    assert spent(budget, entry, 1)


def test_a_limit_that_is_lowered_holds_at_once_and_one_that_is_raised_too(budget: Budget) -> None:
    assert spent(budget, account(per_minute=30), 20)
    assert not spent(budget, account(per_minute=5))
    assert spent(budget, account(per_minute=30), 10)
    assert not spent(budget, account(per_minute=30))
    assert spent(budget, account(per_minute=0))


def test_more_calls_than_a_minute_has_are_never_taken(budget: Budget) -> None:
    with pytest.raises(OutOfBudget) as caught:
        budget.spend(account(per_minute=2), 3)
    assert caught.value.retry_after == WINDOW_SECONDS


def test_on_demand_calls_leave_room_for_the_polls_and_are_not_starved_by_them(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=5)
    assert spent(budget, entry, 3, urgent=False)
    assert not spent(budget, entry, 1, urgent=False)
    assert spent(budget, entry, 2)
    clock.forward(61.001)
    assert spent(budget, entry, 2)
    assert spent(budget, entry, 2, urgent=False)


def test_who_stands_behind_leaves_room_for_what_is_asked_for_too(budget: Budget) -> None:
    entry = account(per_minute=10)
    assert spent(budget, entry, 3, urgent=False, behind=2)
    assert not spent(budget, entry, 1, urgent=False, behind=2)
    assert spent(budget, entry, 2, urgent=False)
    assert not spent(budget, entry, 1, urgent=False)
    assert spent(budget, entry, 5)  # half of a minute is the polls', whatever is asked for on demand


@pytest.mark.parametrize(("per_minute", "fit"), [(2, 2), (3, 2), (4, 2), (5, 2), (6, 2), (7, 2), (30, 13)])
def test_who_stands_behind_gets_a_turn_beside_one_steady_poll_however_little_there_is(
    budget: Budget, per_minute: int, fit: int
) -> None:
    entry = account(per_minute=per_minute)
    assert spent(budget, entry, 1, urgent=False)
    assert [spent(budget, entry, 1, urgent=False, behind=2) for _ in range(fit)] == [True] * (fit - 1) + [False]


def test_in_the_month_too(budget: Budget) -> None:
    entry = account(per_minute=0, per_month=10_000)  # 20 ahead of the line, of which 10 on demand
    assert spent(budget, entry, 8, urgent=False, behind=2)
    assert not spent(budget, entry, 1, urgent=False, behind=2)
    assert spent(budget, entry, 2, urgent=False)
    assert not spent(budget, entry, 1, urgent=False)
    assert spent(budget, entry, 10)


def most_in_a_window(times: list[int], window_ms: int = 60_000) -> int:
    return max(bisect_right(times, at + window_ms) - n for n, at in enumerate(times))


@pytest.mark.parametrize("per_minute", [2, 5, 30])
def test_no_window_of_a_minute_holds_more_calls_than_allowed_however_hard_they_are_pushed(
    budget: Budget, clock: Clock, per_minute: int
) -> None:
    entry, rng, sent = account(per_minute=per_minute), random.Random(7), []
    for _ in range(1500):
        clock.ms += rng.choice((1, 40, 700, 3000))
        calls = rng.choice((1, 2, 2, 4))
        if spent(budget, entry, calls, urgent=rng.random() < 0.3):
            sent += [clock.ms] * calls
    assert most_in_a_window(sent) == per_minute


# --- the month ------------------------------------------------------------------------------------------------------
def test_the_month_accrues_evenly_and_says_when_the_next_call_is_due(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=0, per_month=7200)  # ten an hour
    assert spent(budget, entry, 14)
    with pytest.raises(OutOfBudget, match="spread evenly") as caught:
        budget.spend(entry, 1)
    assert (caught.value.reason, caught.value.retry_after) == ("month", 360.0)
    clock.forward(360)
    assert spent(budget, entry)
    assert not spent(budget, entry)


def test_what_was_not_used_stays_usable_within_the_month(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=0, per_month=7200)
    budget.spend(entry, 1)
    clock.forward(10 * DAY)
    assert spent(budget, entry, 2400)


def test_only_answers_with_a_200_cost_the_month(budget: Budget) -> None:
    entry = account(per_minute=0, per_month=12)
    for _ in range(5):
        budget.settle(budget.spend(entry, 12), 0)
    budget.settle(budget.spend(entry, 12), 3)
    assert budget.usage(entry).month == 3
    assert budget.usage(entry).minute == 72


def test_a_lost_counter_is_not_made_up_for(budget: Budget, redis: Redis, clock: Clock) -> None:
    entry = account(per_minute=0, per_month=7200)
    budget.spend(entry, 1)
    clock.forward(15 * DAY)
    redis.flushall()
    assert not spent(budget, entry, 100)
    assert spent(budget, entry, 14)
    (standing,) = budget.standings([entry])
    assert (round(standing.left), standing.seconds) == (3600, 15 * DAY)


def test_a_new_month_and_a_new_key_begin_anew(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=0, per_month=24)
    clock.ms = month_of(APRIL)[1] - 1000
    assert spent(budget, entry, 12)
    assert not spent(budget, entry, 12)
    assert spent(budget, account(per_minute=0, per_month=24, plan="demo", key=KEY), 12)
    clock.forward(1)
    assert spent(budget, entry, 12)


@pytest.mark.parametrize(
    ("days", "hours", "step", "demands"),
    [
        (3, 8, 60, {"markets": (2, 60.0), "chart": (2, 900.0), "coins": (1, 86_400.0), "currencies": (1, 86_400.0)}),
        (1, 24, 15, {"markets": (2, 60.0), "quotes": (1, 60.0), "chart": (2, 900.0), "coins": (1, 86_400.0)}),
    ],
    ids=["working days", "a day and a night, with other coins besides"],
)
def test_one_open_dashboard_keeps_its_pace_without_a_key(
    budget: Budget, clock: Clock, days: int, hours: int, step: int, demands: dict[str, tuple[int, float]]
) -> None:
    entry = account(per_minute=5)
    wanted = {Dataset("markets", name): Poll(calls, calls, seconds) for name, (calls, seconds) in demands.items()}
    assert set(factors(wanted, *allowed(budget.standings([entry]))).values()) == {1.0}
    late, sent = {name: [0] for name in demands}, []
    for day in range(days):
        clock.ms = APRIL + day * DAY * 1000
        due = dict.fromkeys(demands, clock.ms)
        for _ in range(hours * 3600 // step):
            for name, (calls, seconds) in demands.items():
                if clock.ms >= due[name] and spent(budget, entry, calls, urgent=name not in ("quotes", "chart")):
                    late[name].append(clock.ms - due[name])
                    due[name] = clock.ms + seconds * 1000
                    sent += [clock.ms] * calls
            clock.forward(step)
    assert len(sent) >= 2 * days * hours * 60
    assert most_in_a_window(sent) <= 5
    assert max(late["markets"]) <= step * 1000
    assert max(max(found) for found in late.values()) <= 150_000


def test_months_are_those_of_the_calendar() -> None:
    assert month_of(APRIL) == (APRIL, APRIL + 30 * DAY * 1000)
    assert month_of(APRIL - 1)[1] == APRIL
    december = int(datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp() * 1000)
    assert month_of(december)[1] == int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)


# --- standings ------------------------------------------------------------------------------------------------------
def test_a_standing_counts_what_is_left_until_the_end_of_the_month(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=0, per_month=7200)
    budget.spend(entry, 10)
    clock.forward(DAY)
    limited, free = budget.standings([entry, account(per_month=0)])
    assert (limited.used, limited.saved, limited.left, limited.seconds) == (10, 230, 7190, 29 * DAY)
    assert (free.saved, free.left) == (float("inf"), float("inf"))


# --- rests ----------------------------------------------------------------------------------------------------------
def rest(budget: Budget, entry: Access, error: ProviderError) -> tuple[str, float]:
    budget.failed(entry, error)
    with pytest.raises(OutOfBudget) as caught:
        budget.spend(entry, 1)
    return caught.value.reason, caught.value.retry_after


def test_nothing_is_called_before_the_time_that_the_provider_gave(budget: Budget, clock: Clock) -> None:
    entry = account()
    assert rest(budget, entry, RateLimited("no", retry_after=119)) == ("rate_limited", 119.0)
    clock.forward(118.999)
    assert not spent(budget, entry)
    clock.forward(0.001)
    assert spent(budget, entry)


def test_without_a_time_a_minute_is_waited_and_twice_as_long_each_time_with_jitter(
    budget: Budget, clock: Clock
) -> None:
    seconds = []
    for _ in range(6):
        seconds.append(budget.failed(account(), RateLimited("no")))
        clock.forward(601 * 1.1)
    assert seconds == [60 * 1.05, 120 * 1.05, 240 * 1.05, 480 * 1.05, 600 * 1.05, 600 * 1.05]


def test_a_provider_that_asks_for_years_is_tried_after_an_hour(budget: Budget) -> None:
    assert budget.failed(account(), RateLimited("no", retry_after=1e9)) == LONGEST_REST


def test_after_a_rest_one_caller_tries_and_the_others_wait_for_what_it_finds(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=0)
    budget.failed(entry, RateLimited("no", retry_after=60))
    clock.forward(60)
    assert [spent(budget, entry) for _ in range(10)].count(True) == 1
    budget.failed(entry, RateLimited("no", retry_after=60))
    clock.forward(60)
    assert [spent(budget, entry) for _ in range(10)].count(True) == 1
    budget.succeeded(entry)
    assert all(spent(budget, entry) for _ in range(10))


def test_a_caller_that_died_while_trying_is_replaced(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=0)
    budget.failed(entry, RateLimited("no", retry_after=60))
    clock.forward(60)
    assert spent(budget, entry)
    clock.forward(PROBE_MS / 1000)
    assert spent(budget, entry)


def test_a_refused_key_is_not_stormed_and_another_key_is_tried_at_once(budget: Budget) -> None:
    entry = account(plan="demo", key=KEY)
    assert rest(budget, entry, Unauthorized("no")) == ("unauthorized", 600.0)
    assert spent(budget, account(plan="demo", key="CG-another-key"))
    assert spent(budget, account(plan="pro", key=KEY))
    assert spent(budget, replace(entry, base_url="http://127.0.0.1:10/api/v3"))


def test_what_is_the_providers_own_fault_is_no_rest_of_the_account(budget: Budget) -> None:
    entry = account(per_minute=0)
    for error in (Unavailable, BadPayload, Unreachable) * 4:
        assert budget.failed(entry, error("x")) == 0.0
    assert spent(budget, entry)


def test_a_thing_that_does_not_exist_says_that_the_provider_is_well(budget: Budget) -> None:
    entry = account(per_minute=0)
    for _ in range(10):
        assert budget.failed(entry, NotFound("x")) == 0.0
    assert spent(budget, entry)


def test_usage_and_standings_count_credits(budget: Budget) -> None:
    entry = account(per_minute=0, per_month=12)
    budget.settle(budget.spend(entry, 1, 3), 2.5)
    assert (budget.usage(entry).minute, budget.usage(entry).month) == (1, 3)
    assert budget.standings([entry])[0].left == 9.5


def test_what_costs_more_than_was_expected_is_counted(budget: Budget) -> None:
    entry = account(per_minute=0, per_month=1000)
    budget.settle(budget.spend(entry, 1, 0), 7)
    assert budget.usage(entry).month == 7


def test_what_costs_nothing_is_not_held_back_by_the_month(budget: Budget) -> None:
    entry = account(per_minute=2, per_month=12)
    budget.settle(budget.spend(entry, 1), 50)
    budget.spend(entry, 1, 0)
    with pytest.raises(OutOfBudget, match="this minute"):
        budget.spend(entry, 1, 0)


def test_what_the_minute_refuses_is_given_back_to_the_month(budget: Budget) -> None:
    entry = account(per_minute=2, per_month=7200)
    budget.spend(entry, 2)
    for _ in range(50):
        assert not spent(budget, entry, 2)
    assert budget.usage(entry).month == 2


def test_a_trial_that_the_minute_refuses_leaves_the_trial_to_others(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=2)
    budget.spend(entry, 2)
    budget.failed(entry, RateLimited("no", retry_after=60))
    clock.forward(60)
    assert not spent(budget, entry)
    clock.forward(1.001)
    assert spent(budget, entry)


# --- streams --------------------------------------------------------------------------------------------------------
def test_a_streams_messages_are_charged_in_parts_of_a_credit(budget: Budget, clock: Clock) -> None:
    entry = account(per_month=7200)  # ten an hour, and 14 to begin with, of which 7 are left to calls
    assert budget.charge(entry, 7000) == 0.0
    assert budget.charge(entry, 25) == 9.0
    assert budget.usage(entry).month == 8
    clock.forward(9)
    assert budget.charge(entry, 0) == 0.0
    assert spent(budget, entry, 5)
    assert budget.charge(entry, 25) == 5 * 360 + 9


def test_a_stream_that_has_used_up_the_month_waits_for_the_next(budget: Budget, clock: Clock) -> None:
    clock.forward(29 * DAY)
    assert budget.charge(account(per_month=12), 12_000) == DAY
    assert budget.charge(account(per_month=0), 12_000) == 0.0


# --- several accounts -----------------------------------------------------------------------------------------------
def test_keys_are_asked_by_the_share_that_they_have_left_and_those_at_rest_last(budget: Budget, clock: Clock) -> None:
    small, large, resting = (
        account(per_minute=0, per_month=month, plan="demo", key=f"CG-of-{month}") for month in (720, 7200, 99_000)
    )
    for one in (small, large, resting):
        budget.spend(one, 0)
    clock.forward(15 * DAY)
    budget.spend(small, 200)
    budget.spend(large, 1000)
    budget.failed(resting, RateLimited("no", retry_after=60))
    assert budget.in_turn([resting, small, large]) == [large, small, resting]
    budget.spend(large, 2000)
    assert budget.in_turn([resting, small, large]) == [small, large, resting]
    clock.forward(60)
    assert budget.in_turn([small, resting, large])[0] == resting


def test_keys_without_a_monthly_limit_are_used_alike(budget: Budget) -> None:
    one, other = (account(per_minute=0, plan="demo", key=f"CG-key-{n}") for n in (1, 2))
    used = []
    for _ in range(4):
        used.append(budget.in_turn([one, other])[0])
        budget.spend(used[-1], 2)
    assert used == [one, other, one, other]


# --- learning -------------------------------------------------------------------------------------------------------
def refused_after(budget: Budget, clock: Clock, entry: Access, *calls: int, retry_after: float | None = 60) -> int:
    """Answer 429 after so many calls in a minute, once for each number; the limit that was found."""
    for count in calls:
        clock.forward(62)
        budget.succeeded(entry)
        budget.spend(entry, count)
        budget.failed(entry, RateLimited("no", retry_after=retry_after))
    return budget.usage(entry).lowered


def test_429s_well_below_the_limit_lower_it_until_the_day_ends(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=30)
    clock.forward(DAY / 2)
    assert refused_after(budget, clock, entry, 9) == 0
    assert refused_after(budget, clock, entry, 11) == 10
    assert budget.standings([entry])[0].per_minute == 10
    clock.forward(62)
    budget.succeeded(entry)
    assert spent(budget, entry, 10)
    assert not spent(budget, entry)
    assert refused_after(budget, clock, entry, 6, 7) == 6
    clock.forward(DAY / 2)
    assert budget.usage(entry).lowered == 0
    assert spent(budget, entry, 30)


@pytest.mark.parametrize(
    ("calls", "retry_after", "lowered"),
    [(28, None, 0), (24, None, 0), (23, None, 22), (12, 3600, 0), (4, None, 0), (5, None, 4)],
    ids=["at the limit", "nearly at it", "below it", "a rest that is not of the minute", "too early", "just"],
)
def test_only_429s_that_speak_of_the_minute_lower_it(
    budget: Budget, clock: Clock, calls: int, retry_after: float | None, lowered: int
) -> None:
    entry = account(per_minute=30)
    assert refused_after(budget, clock, entry, calls, calls, retry_after=retry_after) == lowered


def test_simulated_providers_have_no_limits_and_need_no_rest(budget: Budget, redis: Redis) -> None:
    sandbox = providers.get("sandbox")
    entry = replace(account(per_minute=1, per_month=1), provider=sandbox, plan=sandbox.plans[0])
    for _ in range(20):
        budget.spend(entry, 4)
        budget.failed(entry, Unreachable("x"))
    assert redis.keys() == []


def test_usage_tells_what_was_called_and_why_nothing_is(budget: Budget, clock: Clock) -> None:
    entry = account()
    budget.spend(entry, 2)
    budget.failed(entry, Unauthorized("401: API Key Missing."))
    budget.note(entry, {"outcome": "unauthorized"})
    usage = budget.usage(entry)
    assert (usage.minute, usage.month, usage.rest_until) == (2, 2, clock.ms + 600_000)
    assert usage.rest_reason == "unauthorized 401: API Key Missing."
    assert usage.last == {"outcome": "unauthorized"}
    clock.forward(600)
    assert (budget.usage(entry).minute, budget.usage(entry).rest_until) == (0, 0)


def test_every_key_is_of_this_area_and_ends_by_itself_and_holds_no_secret(budget: Budget, redis: Redis) -> None:
    entry = account(plan="demo", key=KEY)
    budget.spend(entry, 1, urgent=False)
    budget.failed(entry, RateLimited("x", retry_after=5))
    budget.note(entry, {})
    for key in redis.scan_iter():
        assert key.startswith(b"spot:budget:")
        assert KEY.encode() not in key
        assert key.endswith(b":since") or redis.ttl(key) > 0


# --- a clock that is set back ---------------------------------------------------------------------------------------
HOUR = 3_600


def test_a_minute_that_lies_ahead_holds_nobody_up(budget: Budget, clock: Clock) -> None:
    entry = account(per_minute=2)
    assert spent(budget, entry, 2)
    assert not spent(budget, entry)
    clock.forward(-HOUR)
    assert spent(budget, entry, 2)
    assert not spent(budget, entry)


def test_a_rest_that_lies_further_ahead_than_rests_last_is_over(budget: Budget, clock: Clock) -> None:
    entry = account()
    budget.failed(entry, RateLimited("Slow down.", retry_after=600.0))
    clock.forward(-2 * HOUR)
    assert budget.usage(entry).rest_until == 0
    assert not budget.standings([entry])[0].resting
    assert spent(budget, entry)


def test_a_month_accrues_from_now_when_its_first_call_lies_ahead(budget: Budget, clock: Clock) -> None:
    entry = account(per_month=6_000)
    clock.forward(10 * DAY)
    assert spent(budget, entry)
    clock.forward(-5 * DAY)
    assert spent(budget, entry)
    clock.forward(DAY)
    assert budget.standings([entry])[0].saved > 150


# --- the forecast -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("used", "since", "days", "credits"),
    [
        (100, APRIL, 3, 1000),
        (100, APRIL - 40 * DAY * 1000, 3, 1000),
        (100, APRIL + 2 * DAY * 1000, 3, 2800),
        (0, 0, 3, 0),
    ],
)
def test_the_forecast_goes_on_at_the_rate_so_far(used: int, since: int, days: int, credits: float) -> None:
    assert forecast(Usage(minute=0, month=used, since=since), APRIL + days * DAY * 1000) == pytest.approx(credits)


def test_there_is_no_rate_at_the_very_first_moment() -> None:
    assert forecast(Usage(minute=2, month=2, since=APRIL), APRIL) == 2
