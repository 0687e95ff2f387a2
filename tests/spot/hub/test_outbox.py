"""One outbox a connection: whole frames in any weather, one write a snapshot, the newest page only."""

import json

import pytest

from spot.dialects.documented import Documented
from spot.dialects.own import read_address
from spot.feeds import FEEDS
from spot.hub.hub import Hub
from spot.hub.outbox import Outbox
from spot.hub.subscription import Subscription
from tests.spot.rows import USD, market
from tests.spot.sockets import eventually, put, put_market, run

pytestmark = pytest.mark.usefixtures("redis")


class Socket:
    """The server's side of a socket whose peer reads a little between any two calls of the kernel."""

    deflates = False
    descriptor = -1

    def __init__(self) -> None:
        self.ready = True
        self.wire = bytearray()
        self.writes = 0

    def send_now(self, frame: bytes) -> int:
        self.wire += frame[: len(frame) // 2]
        return len(frame) // 2

    def write_frame(self, frame: bytes) -> None:
        self.wire += frame
        self.writes += 1

    def hold(self) -> None: ...

    def release(self) -> None: ...

    def messages(self) -> list[bytes]:
        """The payloads on the wire, which must be whole frames."""
        rest, payloads = bytes(self.wire), []
        while rest:
            assert rest[0] == 0x81, f"a frame is torn: {rest[:20]!r}"
            start, size = (2, rest[1]) if rest[1] < 126 else (4, int.from_bytes(rest[2:4]))
            payloads.append(rest[start : start + size])
            rest = rest[start + size :]
        self.wire.clear()
        self.writes = 0
        return payloads


class Owner:
    def wake(self) -> None: ...

    def written(self) -> None: ...


def followed(outbox: Outbox, name: str, query: str) -> Subscription:
    """A subscription of that connection."""
    subscription = Subscription(name, "192.0.2.1", Documented(), outbox, lambda *_: None)
    outbox.add(subscription)
    Hub.current().join(subscription, read_address(FEEDS["market"], query.encode(), 1000)[0])
    return subscription


@pytest.fixture
def without_a_ring(settings) -> None:
    """The stub has no descriptor: frames go out by its own send."""
    settings.SPOT_IO_URING = False


@pytest.mark.usefixtures("without_a_ring")
def test_two_subscriptions_of_one_connection_never_tear_each_others_frames() -> None:
    async def story() -> None:
        await put_market(5)
        socket = Socket()
        outbox = Outbox(Owner(), socket)
        for name in "ab":
            followed(outbox, name, f"page_size=3&search={name}")
        await eventually(lambda: len(socket.wire) > 0)
        socket.messages()
        await put(USD, market(5, shift=1.0))
        await eventually(lambda: len(socket.wire) > 0)
        assert [bool(json.loads(payload)["rows"]) for payload in socket.messages()] == [True, True]

    run(story())


@pytest.mark.usefixtures("without_a_ring")
def test_what_one_snapshot_brings_leaves_in_one_write() -> None:
    async def story() -> None:
        await put_market(5)
        socket = Socket()
        outbox = Outbox(Owner(), socket)
        for page in range(1, 5):
            followed(outbox, str(page), f"page_size=1&page={page}")
        await eventually(lambda: len(outbox.subscriptions) == 4 and socket.wire)
        socket.messages()
        await put(USD, market(5, shift=1.0))
        await eventually(lambda: socket.writes)
        writes = socket.writes
        assert (len(socket.messages()), writes) == (4, 1)

    run(story())


@pytest.mark.usefixtures("without_a_ring")
def test_of_each_subscription_only_the_newest_page_waits() -> None:
    async def story() -> None:
        await put_market(2)
        socket = Socket()
        outbox = Outbox(Owner(), socket)
        followed(outbox, "one", "page_size=1")
        followed(outbox, "two", "page_size=2")
        await eventually(lambda: socket.wire)
        socket.messages()
        socket.ready = False
        for shift in (1.0, 2.0, 3.0):
            version = await put(USD, market(2, shift))
            await eventually(lambda version=version: Hub.current().topics[USD.name].version == version)
        await eventually(lambda: all(outbox.frames))
        socket.ready = True
        outbox.flush()
        newest = market(2, 3.0)[0]["price"]
        assert [json.loads(payload)["rows"][0][4] for payload in socket.messages()] == [newest, newest]

    run(story())


@pytest.mark.usefixtures("without_a_ring")
def test_the_socket_is_lent_to_a_connections_only_subscription_and_called_back_before_a_second() -> None:
    async def story() -> None:
        await put_market(2)
        socket = Socket()
        outbox = Outbox(Owner(), socket)
        first = followed(outbox, "first", "page_size=1")
        await eventually(lambda: socket.wire)
        assert first in first.group.lanes
        second = followed(outbox, "second", "page_size=2")
        assert first not in first.group.lanes
        assert second not in second.group.lanes
        Hub.current().leave(second)
        outbox.remove(second)
        assert first in first.group.lanes

    run(story())


@pytest.mark.usefixtures("without_a_ring")
def test_a_page_that_waits_since_the_join_gives_way_to_a_newer_one() -> None:
    async def story() -> None:
        await put_market(2)
        socket = Socket()
        outbox = Outbox(Owner(), socket)
        followed(outbox, "one", "page_size=1")
        await eventually(lambda: socket.wire)
        socket.messages()
        outbox.call_back()
        socket.ready = False
        followed(outbox, "two", "page_size=2")  # its first page cannot be sent yet
        version = await put(USD, market(2, 3.0))
        await eventually(lambda: Hub.current().topics[USD.name].version == version)
        await eventually(lambda: all(outbox.frames))
        socket.ready = True
        outbox.flush()
        newest = market(2, 3.0)[0]["price"]
        assert [json.loads(payload)["rows"][0][4] for payload in socket.messages()] == [newest, newest]

    run(story())
