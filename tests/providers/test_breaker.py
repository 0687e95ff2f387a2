"""The breaker over a real Redis, by a clock that moves only when told to."""

import threading

import pytest
from redis import Redis

from providers.breaker import (
    FIRST_SECONDS,
    GAP_SECONDS,
    LEASE_SECONDS,
    LONELY_SECONDS,
    LONGEST_SECONDS,
    PATIENCE,
    RELAPSE_SECONDS,
    Breaker,
)
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
from tests.providers.conftest import Clock

DOWN = Unreachable("no connection to example.com")


@pytest.fixture
def breaker(redis: Redis, clock: Clock) -> Breaker:
    return Breaker(redis, clock, jitter=lambda: 0.0)


def fail(breaker: Breaker, times: int = PATIENCE, error: ProviderError = DOWN) -> None:
    for _ in range(times):
        breaker.failed("toy", error)


def test_an_unknown_provider_is_asked_in_its_turn(breaker: Breaker) -> None:
    assert breaker.ask("toy").verdict == "closed"
    assert breaker.state("toy").state == "closed"


@pytest.mark.parametrize("error", [DOWN, Unavailable("500"), BadPayload("no JSON")])
def test_failures_in_a_row_open_it_and_the_state_says_why(breaker: Breaker, clock: Clock, error) -> None:
    fail(breaker, PATIENCE - 1, error)
    assert breaker.ask("toy").verdict == "closed"
    assert breaker.failed("toy", error) is True
    leave = breaker.ask("toy")
    assert (leave.verdict, leave.wait) == ("open", FIRST_SECONDS)
    state = breaker.state("toy")
    assert (state.state, state.failures, state.opened_at) == ("open", PATIENCE, clock.ms)
    assert state.until == clock.ms + FIRST_SECONDS * 1000
    assert state.reason == f"{error.code} {error.message}"


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no coin"),
        RateLimited("slow down"),
        Unauthorized("wrong key"),
        OutOfBudget("later", retry_after=1, reason="month"),
    ],
)
def test_what_belongs_to_a_key_or_a_question_tells_nothing_against_the_provider(breaker: Breaker, error) -> None:
    fail(breaker, 10, error)
    assert breaker.ask("toy").verdict == "closed"


def test_a_good_answer_in_between_ends_the_row(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker, PATIENCE - 1)
        assert breaker.succeeded("toy") is True
    assert breaker.ask("toy").verdict == "closed"


def test_other_providers_are_not_concerned(breaker: Breaker) -> None:
    fail(breaker)
    assert breaker.ask("other").verdict == "closed"


def test_after_the_pause_one_caller_at_a_time_may_try(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.forward(FIRST_SECONDS)
    assert breaker.state("toy").state == "trial"
    assert [breaker.ask("toy").verdict for _ in range(3)] == ["trial", "open", "open"]
    clock.forward(LEASE_SECONDS)  # whoever it was has died over it
    assert breaker.ask("toy").verdict == "trial"


def test_of_many_workers_at_once_one_gets_the_trial(redis: Redis, clock: Clock) -> None:
    fail(Breaker(redis, clock, lambda: 0.0))
    clock.forward(FIRST_SECONDS)
    start, found = threading.Barrier(8), []

    def work() -> None:
        start.wait()
        found.append(Breaker(redis, clock).ask("toy").verdict)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(found) == ["open"] * 7 + ["trial"]


def test_the_pause_doubles_with_every_failed_trial_up_to_ten_minutes(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    pauses = []
    for _ in range(10):
        pauses.append(breaker.ask("toy").wait)
        clock.forward(pauses[-1])
        assert breaker.ask("toy").verdict == "trial"
        assert breaker.failed("toy", DOWN) is True
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert pauses[-1] == LONGEST_SECONDS


def test_chance_makes_a_pause_shorter_and_never_longer(redis: Redis, clock: Clock) -> None:
    fail(Breaker(redis, clock, jitter=lambda: 1.0))
    assert Breaker(redis, clock).ask("toy").wait == pytest.approx(FIRST_SECONDS * 0.9)


def test_two_good_trials_apart_from_each_other_bring_it_back(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.forward(FIRST_SECONDS)
    assert breaker.ask("toy").verdict == "trial"
    assert breaker.succeeded("toy") is False
    assert breaker.ask("toy").verdict == "open"
    clock.forward(GAP_SECONDS)
    assert breaker.ask("toy").verdict == "trial"
    assert breaker.succeeded("toy") is True
    assert breaker.state("toy").state == "closed"


def test_a_good_trial_and_a_bad_one_after_it_open_it_again_for_longer(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.forward(FIRST_SECONDS)
    breaker.ask("toy")
    breaker.succeeded("toy")
    clock.forward(GAP_SECONDS)
    breaker.ask("toy")
    breaker.failed("toy", DOWN)
    assert breaker.ask("toy").wait == 2 * FIRST_SECONDS
    clock.forward(2 * FIRST_SECONDS)
    breaker.ask("toy")
    assert breaker.succeeded("toy") is False, "the good one before counts no longer"


def bring_back(breaker: Breaker, clock: Clock) -> None:
    clock.forward(breaker.ask("toy").wait)
    for _ in range(2):
        assert breaker.ask("toy").verdict == "trial"
        breaker.succeeded("toy")
        clock.forward(GAP_SECONDS)


def test_a_relapse_opens_it_at_once_for_longer(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    bring_back(breaker, clock)
    assert breaker.failed("toy", DOWN) is True
    assert breaker.ask("toy").wait == 2 * FIRST_SECONDS
    bring_back(breaker, clock)
    assert breaker.failed("toy", DOWN) is True
    assert breaker.ask("toy").wait == 4 * FIRST_SECONDS


def test_a_failure_long_after_the_return_is_no_relapse(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    bring_back(breaker, clock)
    clock.forward(RELAPSE_SECONDS)
    assert breaker.failed("toy", DOWN) is False
    fail(breaker, PATIENCE - 1)
    assert breaker.ask("toy").wait == FIRST_SECONDS


def test_a_trial_without_a_verdict_lets_the_next_one_try(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.forward(FIRST_SECONDS)
    breaker.ask("toy")
    breaker.failed("toy", RateLimited("slow down"))
    assert breaker.ask("toy").wait == GAP_SECONDS
    clock.forward(GAP_SECONDS)
    assert breaker.ask("toy").verdict == "trial"
    breaker.released("toy", asked=False)
    assert breaker.ask("toy").verdict == "trial", "nothing was asked, so nothing is to be waited for"


def test_answers_to_what_was_asked_before_it_opened_change_nothing(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    assert breaker.failed("toy", DOWN) is False
    assert breaker.succeeded("toy") is False
    assert breaker.ask("toy").wait == FIRST_SECONDS


def test_where_nobody_else_can_serve_it_is_tried_every_minute(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    for _ in range(6):
        clock.forward(breaker.ask("toy").wait)
        breaker.ask("toy")
        breaker.failed("toy", DOWN)
    assert breaker.ask("toy").wait == 320
    assert breaker.ask("toy", alone=True).wait == LONELY_SECONDS
    clock.forward(LONELY_SECONDS)
    assert breaker.ask("toy", alone=True).verdict == "trial"
    breaker.succeeded("toy")
    assert breaker.ask("toy").verdict == "open"
    assert breaker.ask("toy", alone=True).verdict == "trial", "it works and nobody else does: no need to wait"


def test_a_reset_puts_it_in_front_at_once(breaker: Breaker) -> None:
    fail(breaker)
    breaker.reset("toy")
    assert breaker.ask("toy").verdict == "closed"
    assert breaker.state("toy").failures == 0


def test_a_pause_and_a_trial_of_a_clock_that_was_set_back_are_over(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.forward(FIRST_SECONDS)
    assert breaker.ask("toy").verdict == "trial"
    clock.forward(-3_600)
    assert breaker.state("toy").state == "trial"
    assert breaker.ask("toy").verdict == "trial"
