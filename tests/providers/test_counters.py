"""Counters of all processes together: nothing is lost, nothing is counted twice, and no restart makes a new label."""

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Away

from providers import counters
from providers.counters import Reporter, tell
from providers.metrics import CALLS, CREDITS, SECONDS, Counts, counts

NOW = 1_800_000_000_000


@pytest.fixture(autouse=True)
def nothing_counted():
    counts.take()
    yield
    counts.take()


def told(redis: Redis, reporter: Reporter, now: int = NOW, **report: float) -> None:
    tell(redis, reporter, report, now)


def test_processes_add_up_and_a_restart_keeps_what_was_counted(redis: Redis) -> None:
    for reporter, amount in ((Reporter("web"), 3), (Reporter("worker"), 4), (Reporter("web"), 5)):
        counts.add(CALLS, "acme", amount=amount)
        told(redis, reporter)
    assert counters.read(redis, NOW)[0] == {CALLS.name: {("acme",): 12}}


def test_a_histogram_has_a_count_for_each_part_and_its_sum(redis: Redis) -> None:
    for seconds in (0.01, 0.05, 0.2, 100.0):
        counts.observe(SECONDS, seconds, "acme")
    told(redis, Reporter("web"))
    parts = counters.read(redis, NOW)[0][SECONDS.name]
    last = str(len(SECONDS.buckets))
    assert parts == {("acme", "0"): 2, ("acme", "2"): 1, ("acme", last): 1, ("acme", "sum"): 100_260_000}


class Broken:
    """A Redis that cannot be reached."""

    def eval(self, *_: object) -> None:
        raise Away


def test_what_could_not_be_told_is_told_later(redis: Redis) -> None:
    counts.add(CREDITS, "acme", amount=250)
    reporter = Reporter("web")
    with pytest.raises(Away):
        tell(Broken(), reporter, {}, NOW)
    counts.add(CREDITS, "acme", amount=1)
    told(redis, reporter)
    told(redis, reporter)
    assert counters.read(redis, NOW)[0][CREDITS.name] == {("acme",): 251}


def test_reports_are_numbered_by_the_lowest_free_number_of_their_role(redis: Redis) -> None:
    first, second, worker = Reporter("web"), Reporter("web"), Reporter("worker")
    for reporter, files in ((first, 1), (second, 2), (worker, 3), (first, 4)):
        told(redis, reporter, files=files)
    assert counters.read(redis, NOW)[1] == [
        ("web", "1", {"files": 4}),
        ("web", "2", {"files": 2}),
        ("worker", "1", {"files": 3}),
    ]
    later = NOW + 8_001  # the first has not been heard of for too long; its number is free
    told(redis, second, later, files=2)
    told(redis, Reporter("web"), later, files=5)
    assert counters.read(redis, later)[1][:2] == [("web", "1", {"files": 5}), ("web", "2", {"files": 2})]


def test_a_clock_that_was_set_back_takes_no_number_for_ever(redis: Redis) -> None:
    told(redis, Reporter("web"), NOW + 3_600_000, files=1)
    told(redis, Reporter("web"), NOW, files=2)
    assert counters.read(redis, NOW)[1] == [("web", "1", {"files": 2})]


def test_counting_needs_no_more_memory_however_often() -> None:
    mine = Counts()
    for _ in range(1000):
        mine.add(CALLS, "acme")
        mine.observe(SECONDS, 0.1, "acme")
    assert len(mine.take()) == 3


def test_a_process_knows_its_memory_and_its_files() -> None:
    facts = counters.process_facts()
    assert facts["cpu"] > 0
    assert facts.get("memory", 2**24) >= 2**24
