"""What a client of the fast path receives is, byte for byte, what the plain path sends."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import uvloop
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from redis import Redis

from providers.datasets import Dataset
from spot import snapshots
from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.feeds.answer import Answer
from spot.feeds.view import View
from spot.hub.hub import Hub
from tests.fastpath.client import OFFERS, Client
from tests.fastpath.gateway import Gateway, gateway, no_tracebacks, put, put_lists, put_market, run
from tests.fastpath.markets import WORDS, asked, moments, targets
from tests.live import LiveSite
from tests.spot.dialects.test_own import applied, page_of
from tests.spot.rows import USD, candles, market

pytestmark = pytest.mark.flow
CANDLES = Dataset("candles", "usd", "bitcoin", 30)
#: Stories over sockets are small as they are; shrinking one would take minutes.
FEW = settings(
    max_examples=25, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


class Web(NamedTuple):
    """A gateway in a loop that outlives single stories."""

    loop: asyncio.Runner
    gate: Gateway


@pytest.fixture(scope="module", params=[True, False], ids=["one call for all", "a call each"])
def web(redis_url: str, request: pytest.FixtureRequest) -> Iterator[Web]:
    with Redis.from_url(redis_url) as store:
        store.flushall()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, override_settings(SPOT_IO_URING=request.param):
        gate = runner.run(_started())
        yield Web(runner, gate)
        runner.run(_stopped(gate))


async def _started() -> Gateway:
    await put_lists()
    await put_market(12)
    await put(CANDLES, candles(60))
    gate = Gateway()
    await gate.start()
    return gate


async def _stopped(gate: Gateway) -> None:
    await gate.stop()
    await Hub.current().aclose()


def expected(view: View, dialect: Dialect) -> bytes:
    """The documented shape of the newest snapshot, straight from the pure core."""
    snapshot = snapshots.load(view.datasets[0])
    assert snapshot is not None
    return Answer(view, view.feed.table(snapshot.rows), extended=dialect.extended).data


def last_state(messages: list[bytes], *, delta: bool) -> Any:
    """What a client shows in the end that believes every message: rows by key where it gets deltas, else the data."""
    state, seq = None, None
    for message in (json.loads(one) for one in messages if one[:1] in b"[{"):  # the others are exports
        kind = message.get("type", "plain") if isinstance(message, dict) else "plain"
        if kind == "delta":
            assert message["base"] == seq
            state = applied(state, message)
        elif kind == "snapshot":
            state = page_of(message) if delta else message["data"]
        elif kind == "plain":
            state = message
        seq = message["seq"] if kind in ("delta", "snapshot") else seq
    return state


def without_ages(messages: list[bytes]) -> list[bytes]:
    """A status counts its data's age from the moment each client joined."""
    return [re.sub(rb'"age_ms":\d+', b'"age_ms":0', one) if b'"type":"status"' in one else one for one in messages]


events = st.lists(st.one_of(moments(), st.sampled_from(WORDS)), min_size=2, max_size=6)


@FEW
@given(
    wishes=st.lists(targets(), min_size=1, max_size=3, unique=True),
    happens=events,
    offers=st.permutations(sorted(OFFERS)),
)
def test_every_client_of_a_subscription_receives_the_same_bytes(web: Web, wishes, happens, offers) -> None:
    async def story() -> None:
        try:
            await _same_bytes(web.gate, wishes, happens, offers[:3])
        finally:
            await web.gate.forget()

    web.loop.run(story())


async def _same_bytes(gate: Gateway, wishes: list[str], happens: list[Any], offers: list[str]) -> None:
    rooms = {wish: await _room(gate, wish, offers) for wish in wishes}
    now = {wish: asked(wish)[0] for wish in wishes}
    for event in happens:
        if isinstance(event, dict):
            for wish, clients in rooms.items():
                now[wish] = _after(now[wish], event)
                await asyncio.gather(*(_say(client, event) for client in clients))
        else:
            await gate.settled(await put(CANDLES, candles(48 + event.count), **event.facts), CANDLES)
            await gate.settled(await put(USD, event.rows, **event.facts))
        for client in (client for clients in rooms.values() for client in clients):
            client.heard += await client.pong()
    await asyncio.gather(*(_catch_up(clients) for clients in rooms.values()))
    for wish, clients in rooms.items():
        first, *others = [without_ages(client.heard) for client in clients]
        for client, other in zip(clients[1:], others, strict=True):
            assert other == first, (wish, client.offer)
        wanted = json.loads(expected(now[wish], asked(wish)[1]))
        delta = asked(wish)[1].deltas
        assert last_state(first, delta=delta) == (page_of({"data": wanted}) if delta else wanted), wish


async def _catch_up(clients: list[Client]) -> None:
    """Hear what is still on its way: on the plain path a pong may overtake a frame that its task is about to send."""
    most = max(len(client.heard) for client in clients)
    for client in clients:
        for _ in range(100):
            if len(client.heard) >= most:
                break
            client.heard += await client.pong()


async def _room(gate: Gateway, wish: str, offers: list[str]) -> list[Client]:
    """Clients of one subscription on both paths, with several ideas of compression."""
    scout = await gate.client(wish)
    while re.match(rb'{"type":"(status|notice)"', await scout.message()):
        pass  # the hub may have to load the snapshot first
    clients = [await gate.client(wish, offer, plain=plain) for plain in (True, False) for offer in ("", *offers)]
    for client in clients:
        assert client.window == OFFERS[client.offer], client.agreed
        client.heard = [await client.message()]
    return clients


async def _say(client: Client, words: dict[str, Any]) -> None:
    """Say something, and wait for what is answered: every word has an answer."""
    await client.send(json.dumps(words))
    client.heard.append(await client.message())


def _after(view: View, words: dict[str, Any]) -> View:
    if "action" in words:
        return view
    try:
        return view.updated(words, 1000)
    except Refused:
        return view


# --- conflation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", ["market?page_size=200", "market?page_size=200&envelope=1&delta=1&sort_by=price"])
@pytest.mark.parametrize("offer", ["", "permessage-deflate"])
def test_who_did_not_keep_up_ends_with_the_same_state(redis: Redis, caplog, wish, offer) -> None:
    async def story() -> None:
        await put_lists()
        await put_market(200)
        async with gateway(small=True) as gate:
            slow = [await gate.client(wish, offer, plain=plain, receive_buffer=4096) for plain in (False, True)]
            for client in slow:
                client.heard.append(await client.message())
            for shift in range(1, 25):
                await gate.settled(await put_market(200, shift))
            wanted = json.loads(expected(*asked(wish)))
            for client in slow:
                client.heard += await client.pong()
                while (state := last_state(client.heard, delta="delta" in wish)) != (
                    page_of({"data": wanted}) if "delta" in wish else wanted
                ):
                    client.heard.append(await client.message())
                assert state
                assert len(client.heard) < 24, "nothing was left out"

    run(story())
    assert no_tracebacks(caplog)


# --- the same application under another server ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LiveSite]]:
    """Two web processes on one store."""
    with Redis.from_url(redis_url) as store:
        store.flushall()
    sites = {}
    try:
        for server in ("uvicorn", "daphne"):
            home = tmp_path_factory.mktemp(server)
            sites[server] = LiveSite(home, SPOT_SERVER=server, REDIS_URL=redis_url, SPOT_DEMO="off")
            sites[server].start("web")
        yield sites
    finally:
        for site in sites.values():
            site.close()


@settings(FEW, max_examples=8)
@given(
    wishes=st.lists(targets(dialects=("", "envelope=1", "envelope=1&delta=1")), min_size=2, max_size=5, unique=True),
    happens=st.lists(moments(), min_size=2, max_size=5),
    offer=st.sampled_from(["", "permessage-deflate"]),
)
def test_uvicorn_and_daphne_send_the_same_bytes(processes: dict[str, LiveSite], wishes, happens, offer) -> None:
    asyncio.run(_same_everywhere(processes, wishes, happens, offer))


async def _same_everywhere(processes: dict[str, LiveSite], wishes: list[str], happens: Any, offer: str) -> None:
    await put_lists()
    await _put_both(market(12))
    ports = [site.port for site in processes.values()]
    opened: list[Client] = []
    try:
        for wish, port in itertools.product(wishes, ports * 2):  # the first of each process waits for the snapshot
            opened.append(await Client.open(port, wish, offer))
            opened[-1].wish = wish
            await _hear(opened[-1], expected(*asked(wish)))
        clients = [client for client in opened if len(client.heard) == 1]
        for moment in happens:
            before = {wish: expected(*asked(wish)) for wish in wishes}
            await _put_both(moment.rows)
            after = {wish: expected(*asked(wish)) for wish in wishes}
            moved = [one for one in clients if "envelope" in one.wish or before[one.wish] != after[one.wish]]
            await asyncio.gather(*(_hear(client, after[client.wish]) for client in moved))
        _compare(wishes, clients)
    finally:
        for client in opened:
            client.close()


def _compare(wishes: list[str], clients: list[Client]) -> None:
    for wish in wishes:
        first, *others = [_unnumbered(client.heard) for client in clients if client.wish == wish]
        assert others
        assert all(other == first for other in others), wish
        heard = next(client.heard for client in clients if client.wish == wish)
        wanted, delta = json.loads(expected(*asked(wish))), "delta" in wish
        assert last_state(heard, delta=delta) == (page_of({"data": wanted}) if delta else wanted), wish


async def _put_both(rows: list[dict[str, Any]]) -> None:
    await put(CANDLES, candles(48 + len(rows)))
    await put(USD, rows)


async def _hear(client: Client, data: bytes) -> None:
    """Hear the newest snapshot's frame, whatever is said before it."""
    version = (await asyncio.to_thread(snapshots.load, asked(client.wish)[0].datasets[0])).version  # type: ignore[union-attr]
    while True:
        message = await client.message()
        if re.match(rb'{"type":"(status|notice)"', message):
            continue
        client.heard.append(message)
        if message == data or (b'"version":%d,' % version) in message[:2000]:
            return


def _unnumbered(messages: list[bytes]) -> list[bytes]:
    """Each process numbers its states by itself."""
    return [re.sub(rb'"(seq|base)":\d+', b"", message) for message in messages]
