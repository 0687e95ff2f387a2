"""Rings of events: numbered, resumed, honest about gaps, kept for a while without their group."""

import asyncio
import json

import pytest

from providers.datasets import LISTINGS
from spot.dialects.base import Since
from spot.feeds import FEEDS
from spot.feeds.answer import Answer
from spot.feeds.view import view_of
from spot.hub.events import SHELVED_MS, EventRing, Shelf
from spot.hub.hub import Hub
from spot.snapshots import nudges
from tests.spot.dialects.made_up.trial import Trial
from tests.spot.rows import listings
from tests.spot.sockets import eventually, put, put_everything, run
from tests.spot.watcher import Watcher

VIEW = view_of(FEEDS["listings"], {}, 1000)


def answer(first: int, last: int) -> Answer:
    """A page of the announcements with these numbers, newest first."""
    rows = listings(20)[20 - last : 21 - first]
    return Answer(VIEW, VIEW.feed.table(rows))


def titles(rows):
    return [row["title"] for row in rows]


def ring(*pages: tuple[int, int]) -> EventRing:
    made = EventRing(1000, "e.1")
    for first, last in pages:
        made.take(answer(first, last))
    return made


def test_what_enters_is_numbered_and_resumed_after_the_last_one_seen() -> None:
    made = ring((1, 3), (1, 5))
    assert made.last == 1005
    newest = titles(reversed(answer(4, 5).cells()))
    for seen in (1003, Since(1003, "e.1"), Since(key=answer(3, 3).keys()[0])):
        missed = made.since(seen)
        assert (titles(missed.rows), missed.gap) == (newest, False)
    assert made.since(1005) == ([], False)


@pytest.mark.parametrize("seen", [999, 1009, Since(1003, "e.2"), Since(1003), Since(key="nosuch")])
def test_whoever_has_seen_what_the_ring_does_not_know_is_told_of_the_gap_and_all_that_is_kept(seen) -> None:
    missed = ring((1, 3)).since(seen)
    assert (len(missed.rows), missed.gap) == (3, True)


def test_events_that_came_and_went_between_two_pages_are_a_gap() -> None:
    made = ring((1, 3), (7, 9))
    missed = made.since(1003)
    assert (len(missed.rows), missed.gap) == (3, True)
    assert not made.since(1004).gap


def test_events_are_told_one_by_one() -> None:
    made = ring((1, 3), (1, 5))
    numbers, seen = [], 1003
    while seen < made.last:
        seen, row = made.next_after(seen)
        numbers.append((seen, row["title"]))
    assert numbers == [(1003 + place, title) for place, title in enumerate(titles(reversed(answer(4, 5).cells())), 1)]
    assert made.next_after(1005) == made.next_after(999) == made.next_after(2000) == (1005, None)


def test_a_slow_client_goes_on_at_the_oldest_event_that_is_kept() -> None:
    made = EventRing(1000, "e.1", length=2)
    for last in range(1, 6):
        made.take(answer(1, last))
    assert made.next_after(1000)[0] == 1004
    assert ring((1, 3), (7, 9)).next_after(1003) == (1004, None)


def test_a_shelf_forgets_old_rings_and_those_beyond_its_length() -> None:
    shelf = Shelf()
    for number in range(100):
        shelf.keep(number, EventRing(number), now_ms=number)
    assert shelf.take(10, 100) is None
    assert shelf.take(99, 100) is not None
    assert shelf.take(99, 100) is None
    assert shelf.take(98, 100 + SHELVED_MS) is None


@pytest.mark.usefixtures("redis")
def test_a_sole_client_that_comes_back_is_sent_what_it_missed() -> None:
    async def publish(count: int) -> None:
        version = await put(LISTINGS, listings(count))
        await nudges.tell(LISTINGS.name)
        await eventually(lambda: Hub.current().topics[LISTINGS.name].version == version)

    async def story() -> None:
        await put_everything()
        hub, watcher = Hub.current(), Watcher(dialect=Trial())
        watcher.join((VIEW, Trial()))
        await eventually(lambda: watcher.updates)
        seen = watcher.updates[-1].seq
        hub.leave(watcher)
        assert not hub.groups
        await publish(22)
        hub.join(watcher, VIEW, Since(seen, watcher.updates[-1].epoch))
        await eventually(lambda: len(watcher.updates) == 2)
        message = json.loads(watcher.updates[-1].message_after(seen).payload)
        assert (len(message["titles"]), message["gap"]) == (2, False)
        hub.leave(watcher)
        hub.join(watcher, VIEW, Since(watcher.updates[-1].seq, watcher.updates[-1].epoch))
        await asyncio.sleep(0)
        assert len(watcher.updates) == 2  # nothing was missed, so nothing is sent

    run(story())
