import pytest
from django.db import OperationalError
from redis import Redis
from structlog.testing import capture_logs

from providers import ledger, tasks
from providers.access import Access
from providers.budget import Budget
from providers.models import DailyUsage
from tests.providers.conftest import KEY, Clock, access_to

pytestmark = pytest.mark.django_db
APRIL = 1_775_001_600_000  # 2026-04-01 00:00 UTC; the month has 30 days
MAY = APRIL + 30 * 86_400_000
DAY = 86_400_000


@pytest.fixture
def entry() -> Access:
    return access_to("http://127.0.0.1:9/api/v3", plan="demo", key=KEY)


def lines() -> list[tuple[str, int, int, int]]:
    return [
        (str(one.day), one.calls, one.failures, one.millicredits) for one in DailyUsage.objects.order_by("day", "calls")
    ]


# --- counting -------------------------------------------------------------------------------------------------------
def test_what_was_used_is_a_line_a_day_and_account_and_copying_twice_changes_nothing(redis: Redis, entry) -> None:
    other = access_to("http://127.0.0.1:9/api/v3", plan="demo", key="CG-another-key")
    ledger.note(redis, entry, 2, 2000, 0, APRIL)
    ledger.note(redis, entry, 3, 0, 1, APRIL + DAY - 1)
    ledger.note(redis, other, 7, 7000, 0, APRIL)
    ledger.note(redis, entry, 1, 25, 0, APRIL + DAY)
    for _ in range(3):
        assert ledger.keep(redis, APRIL + DAY) == 3
    assert lines() == [("2026-04-01", 5, 1, 2000), ("2026-04-01", 7, 0, 7000), ("2026-04-02", 1, 0, 25)]
    assert {one.account for one in DailyUsage.objects.all()} == {entry.account, other.account}
    assert {one.provider for one in DailyUsage.objects.all()} == {"coingecko"}


def test_a_counter_that_goes_on_is_copied_again_and_one_that_was_lost_lowers_nothing(redis: Redis, entry) -> None:
    ledger.note(redis, entry, 5, 5000, 0, APRIL)
    ledger.keep(redis, APRIL)
    ledger.note(redis, entry, 1, 0, 1, APRIL)
    ledger.keep(redis, APRIL)
    assert lines() == [("2026-04-01", 6, 1, 5000)]
    redis.flushall()
    ledger.note(redis, entry, 2, 2000, 0, APRIL)
    ledger.keep(redis, APRIL)
    assert lines() == [("2026-04-01", 6, 1, 5000)]


def test_days_that_are_over_are_copied_once_more_and_forgotten(redis: Redis, entry) -> None:
    ledger.note(redis, entry, 5, 5000, 0, APRIL)
    ledger.keep(redis, APRIL + DAY)
    assert redis.keys("spot:ledger:*")
    ledger.note(redis, entry, 1, 0, 0, APRIL)
    ledger.keep(redis, APRIL + 2 * DAY)
    assert not redis.keys("spot:ledger:*")
    assert lines() == [("2026-04-01", 6, 0, 5000)]


def test_counters_hold_no_key_and_end_by_themselves(redis: Redis, entry) -> None:
    ledger.note(redis, entry, 5, 5000, 0, APRIL)
    (key,) = redis.keys()
    assert redis.ttl(key) > 0
    assert KEY not in str(redis.hgetall(key))


def test_streams_stand_in_the_ledger_by_what_they_cost(redis: Redis, entry) -> None:
    Budget(redis, Clock(APRIL)).charge(entry, 125)
    ledger.keep(redis, APRIL)
    assert lines() == [("2026-04-01", 0, 0, 125)]


def test_while_the_database_is_away_the_counters_wait(redis: Redis, entry, monkeypatch) -> None:
    monkeypatch.setattr(tasks, "wall_ms", Clock(APRIL))
    ledger.note(redis, entry, 5, 5000, 0, APRIL)
    with monkeypatch.context() as away, capture_logs() as said:
        away.setattr(DailyUsage, "objects", _Away())
        tasks.keep_ledger()
    assert [line["event"] for line in said] == ["usage not written to the database, it stays in Redis"]
    tasks.keep_ledger()
    assert lines() == [("2026-04-01", 5, 0, 5000)]


class _Away:
    def get_or_create(self, **_lookup: object) -> None:
        raise OperationalError("the server closed the connection unexpectedly")
