"""What web processes tell each other: connections and requests of a key, and who gives way."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from spot.clients import roster as rosters
from spot.clients.leases import EXPIRE_MS, Leases
from spot.clients.limits import Allowance
from spot.clients.meter import Meter, Tally
from spot.clients.plans import Client
from spot.clients.roster import Roster
from spot.codes import Refused
from tests.spot.keyed import plan_with


@dataclass(eq=False)
class Connection:
    """A connection with a key."""

    who: Client
    meter: Meter | None = None
    protocol: str = ""
    dismissed: list[Refused] = field(default_factory=list)

    def dismiss(self, refused: Refused) -> None:
        self.dismissed.append(refused)


def client(connections: int = 2, key: str = "7") -> Client:
    return Client(f"key:{key}", "192.0.2.1", plan_with(connections=connections, requests_per_minute=60), key)


@pytest.fixture
def clock(monkeypatch: Any) -> list[int]:
    now = [1000]
    monkeypatch.setattr(rosters, "now_ms", lambda: now[0])
    return now


def test_the_newest_of_all_processes_give_way_whoever_looks_first(clock: list[int]) -> None:
    first, second = Roster(), Roster()
    opened = []
    for clock[0], where in ((1000, first), (1001, second), (1002, first), (1003, second)):
        opened.append(Connection(client()))
        where.enter(opened[-1])
    for here, there, names, newest in ((first, second, "ab", 2), (second, first, "ba", 3)):
        surplus = here.compare(names[0], {names[1]: there.open()})
        assert [connection for connection, _ in surplus] == [opened[newest]]
        assert {refused.code for _, refused in surplus} == {"too_many_connections"}
        assert here.elsewhere_of(client()) == 2
    first.leave(opened[2])
    second.leave(opened[3])
    assert not first.compare("a", {"b": second.open()})
    assert not second.compare("b", {"a": first.open()})


def test_at_the_same_moment_both_processes_agree_who_stays(clock: list[int]) -> None:
    first, second = Roster(), Roster()
    for where in (first, second):
        where.enter(Connection(client(1)))
    assert len(first.compare("a", {"b": second.open()})) + len(second.compare("b", {"a": first.open()})) == 1


def test_a_key_without_limit_is_only_counted(clock: list[int]) -> None:
    roster = Roster()
    for _ in range(3):
        roster.enter(Connection(client(0)))
    assert roster.open() == {"7": 3}
    assert not roster.compare("a", {"b": {"7": 10_000}})


def test_reports_expire_and_forget_a_process_that_died(redis: Redis) -> None:
    async def story() -> None:
        connection = settings.REDIS.async_client()
        one, other = Leases(), Leases()
        assert await one.exchange(connection, {"open": {"7": [1]}, "spent": {}}) == {}
        assert await other.exchange(connection, {"open": {}, "spent": {}}) == {
            one.process: {"open": {"7": [1]}, "spent": {}}
        }
        name = f"spot:client:processes:{one.process}"
        assert 0 < redis.pttl(name) <= EXPIRE_MS
        redis.delete(name)  # as when it expires
        assert await other.exchange(connection, {"open": {}, "spent": {}}) == {}
        assert redis.smembers("spot:client:processes") == {other.process.encode()}
        await other.withdraw(connection)
        assert redis.keys("spot:client:processes:*") == []
        await connection.aclose()
        await connection.connection_pool.disconnect()

    asyncio.run(story())


def test_requests_in_other_processes_are_taken_from_the_allowance_here() -> None:
    now = [1000.0]
    here, there = (Allowance(lambda plan: plan.requests_per_minute, 60, 15, clock=lambda: now[0]) for _ in range(2))
    leases = Leases()
    here.spend(client(), 1)
    assert leases.spent_since({"b": {"spent": there.recent()}}) == {}
    there.spend(client(), 9)
    for expected in ({"7": 9.0}, {"7": 0.0}):
        assert leases.spent_since({"b": {"spent": there.recent()}}) == expected
    here.take_elsewhere("7", 9)
    balance = here.balance(client())
    assert balance is not None
    assert balance.remaining == 5
    now[0] += 61
    assert there.recent() == {}  # idle keys are not told
    there.spend(client(), 1)
    assert leases.spent_since({"b": {"spent": there.recent()}}) == {"7": 1.0}


def test_a_process_that_was_there_before_us_is_counted_from_now_on() -> None:
    leases = Leases()
    assert leases.spent_since({"b": {"spent": {"7": 500.0}}}) == {"7": 0.0}
    assert leases.spent_since({"b": {"spent": {"7": 501.0}}}) == {"7": 1.0}


def test_a_meter_counts_an_audience_only_while_it_follows_it() -> None:
    tally, meter = Tally(), Meter()
    tally.add(6)
    meter.follow(tally, label=7)
    tally.add(5)
    meter.count(2, 10)
    tally.add(3)
    meter.leave()
    tally.add(5)
    assert meter.take() == (4, 10 + 5 + 7 + 3 + 7)
    assert meter.take() == (0, 0)
