"""What web processes tell each other: connections and requests of a key, and who gives way."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from django.conf import settings
from redis import Redis

from spot.clients import addresses
from spot.clients import roster as rosters
from spot.clients.addresses import Addresses
from spot.clients.leases import EXPIRE_MS, Leases, Progress
from spot.clients.limits import SHARED, Admission, Allowance
from spot.clients.meter import Meter, Tally
from spot.clients.payments import Payments
from spot.clients.plans import Client, anonymous
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
    progress = Progress()
    here.spend(client(), 1)
    assert progress.since({"b": there.recent()}) == {}
    there.spend(client(), 9)
    for expected in ({"7": 9.0}, {"7": 0.0}):
        assert progress.since({"b": there.recent()}) == expected
    here.take_elsewhere("key:7", 9)
    balance = here.balance(client())
    assert balance is not None
    assert balance.remaining == 5
    now[0] += 61
    assert there.recent() == {}  # idle keys are not told
    there.spend(client(), 1)
    assert progress.since({"b": there.recent()}) == {"7": 1.0}


def test_a_process_that_was_there_before_us_is_counted_from_now_on() -> None:
    progress = Progress()
    assert progress.since({"b": {"7": 500.0}}) == {"7": 0.0}
    assert progress.since({"b": {"7": 501.0}}) == {"7": 1.0}


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


# --- clients without a key --------------------------------------------------------------------------------------------


def test_only_those_with_much_are_told_of_and_the_most_first() -> None:
    admission = Admission(lambda: 0, lambda _plan: 640, ("overloaded", "too_many_connections", "connections"))
    for number in range(400):
        for _ in range(5 if number == 7 else 10 + number % 3):
            admission.enter(anonymous(f"192.0.2.{number}"))
    told = admission.largest()
    assert len(told) == SHARED
    assert set(told.values()) == {11, 12}  # those with 10 had no room, and five are less than a 64th
    assert "192.0.2.7" not in told
    admission.elsewhere = {"192.0.2.7": 635}
    with pytest.raises(Refused):
        admission.enter(anonymous("192.0.2.7"))
    admission.enter(anonymous("192.0.2.8"))


def test_requests_that_are_over_at_once_concern_no_other_process() -> None:
    answering = Admission(lambda: 0, lambda _plan: 64, ("overloaded", "too_many_requests", "requests"), lasting=True)
    client, other = anonymous("192.0.2.1"), anonymous("192.0.2.2")
    for _ in range(5):
        answering.enter(client)
    answering.enter(other)
    assert answering.largest() == {}  # they have just come
    answering.leave(client)
    answering.enter(client)
    answering.leave(other)
    assert answering.largest() == {"192.0.2.1": 4}
    for _ in range(5):
        answering.leave(client)
    assert answering.largest() == {}
    assert not answering._many


def test_small_spenders_are_not_told_of_until_they_have_spent_much() -> None:
    now = [1000.0]
    there = Allowance(lambda _plan: 640, 60, 15, clock=lambda: now[0])
    here = Allowance(lambda _plan: 640, 60, 15, clock=lambda: now[0])
    client, progress = anonymous("2001:db8::1"), Progress()
    assert progress.since({"b": {}}) == {}
    there.spend(client, 9)
    assert there.recent(keyed=False) == {}
    there.spend(client, 3)
    assert there.recent(keyed=False) == {client.id: 12.0}
    for name, cost in progress.since({"b": there.recent(keyed=False)}).items():
        here.take_elsewhere(name, cost)
    balance = here.balance(client)
    assert balance is not None
    assert balance.remaining == 160 - 12  # though it has never been here
    now[0] += 61
    assert there.recent(keyed=False) == {}
    for number in range(SHARED + 10):
        there.spend(anonymous(f"198.51.100.{number}"), 20)
    assert len(there.recent(keyed=False)) == SHARED


def test_what_was_paid_for_elsewhere_is_free_here_and_taken_once() -> None:
    now = [1000.0]
    allowances = [Allowance(lambda _plan: 240, 3600, 900, clock=lambda: now[0]) for _ in range(2)]
    there, here = (Payments(allowance, clock=lambda: now[0]) for allowance in allowances)
    client = anonymous("192.0.2.1")

    def left() -> int:
        balance = allowances[1].balance(client)
        assert balance is not None
        return balance.remaining

    here.pay(client.id, {"both": 1.0})  # its allowance was charged by the caller
    there.pay(client.id, {"currency eur": 10.0, "both": 1.0})
    for _ in range(2):
        here.learn({"b": [*map(tuple, orjson.loads(orjson.dumps(there.recent())))]})
        assert here.is_paid("currency eur")
        assert left() == 50
    there.pay_back(client.id, {"currency eur": 10.0, "both": 1.0})
    here.learn({"b": there.recent()})
    assert not here.is_paid("currency eur")
    assert here.is_paid("both")
    assert left() == 60
    now[0] += 6
    assert there.recent() == []


def test_of_an_address_with_too_many_the_newest_of_the_later_process_give_way(monkeypatch: Any, settings: Any) -> None:
    settings.SPOT_CONNECTIONS_PER_ADDRESS = 3
    roster = Roster()
    monkeypatch.setattr(addresses, "roster", roster)
    opened = [Connection(anonymous(address)) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1")]
    for connection in opened:
        roster.enter(connection)
    own, theirs = {"connections": {"192.0.2.1": 3, "192.0.2.2": 1}}, {"connections": {"192.0.2.1": 2}}
    assert Addresses().learn("a", own, {"b": theirs}) == []
    surplus = Addresses().learn("b", own, {"a": theirs, "old": {}})
    assert [connection for connection, _ in surplus] == [opened[3], opened[1]]
    assert {refused.code for _, refused in surplus} == {"too_many_connections"}
    addresses.forget()
