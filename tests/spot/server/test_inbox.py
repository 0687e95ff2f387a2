"""The queue and the gate of a socket."""

from __future__ import annotations

import asyncio

from spot.server.inbox import Gate, Inbox


def test_events_are_taken_in_their_order() -> None:
    inbox = Inbox()
    assert inbox.empty()
    inbox.put_nowait("one")
    inbox.put_nowait("two")
    assert not inbox.empty()
    assert [inbox.take(), inbox.take()] == ["one", "two"]
    assert inbox.empty()


async def received(inbox: Inbox) -> str:
    while inbox.empty():
        await inbox.arrival()
    return str(inbox.take())


def test_a_reader_is_woken_by_an_event() -> None:
    async def story() -> None:
        inbox = Inbox()
        reader = asyncio.create_task(received(inbox))
        await asyncio.sleep(0)
        inbox.put_nowait("late")
        inbox.put_nowait("later")
        assert await reader == "late"
        assert inbox.take() == "later"

    asyncio.run(story())


def test_a_reader_that_gave_up_takes_nothing_from_the_next() -> None:
    async def story() -> None:
        inbox = Inbox()
        hasty = asyncio.create_task(received(inbox))
        await asyncio.sleep(0)
        hasty.cancel()
        inbox.put_nowait("late")
        assert await received(inbox) == "late"

    asyncio.run(story())


def test_a_gate_is_open_until_it_is_closed() -> None:
    async def story() -> None:
        gate, passed = Gate(), []

        async def walk() -> None:
            await gate.wait()
            passed.append(gate.is_set())

        await walk()
        gate.clear()
        assert not gate.is_set()
        walkers = [asyncio.create_task(walk()) for _ in range(2)]
        await asyncio.sleep(0)
        assert passed == [True]
        gate.set()
        await asyncio.gather(*walkers)
        assert passed == [True] * 3

    asyncio.run(story())
