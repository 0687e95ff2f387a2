"""Labels: a group's message is made once, whatever each member's begins with."""

import zlib

import pytest

from spot.clients.limits import Bucket
from spot.dialects.documented import Documented
from spot.dialects.frames import LABELS, Message
from spot.hub.hub import Hub
from spot.hub.outbox import Outbox
from spot.hub.subscription import Subscription
from tests.spot.hub.test_hub import wish
from tests.spot.hub.test_outbox import Owner, Socket
from tests.spot.rows import USD, market
from tests.spot.sockets import eventually, put, put_market, run

BODY = b'"data":' + b"[1,2,3]" * 200 + b"}"


def inflated(frame: bytes) -> bytes:
    assert frame[0] == 0xC1
    start = 4 if frame[1] == 126 else 2
    return zlib.decompressobj(wbits=-15).decompress(frame[start:] + b"\x00\x00\xff\xff")


def test_a_labelled_message_is_the_label_and_the_message_in_every_form() -> None:
    message = Message(BODY)
    for label in (b'{"id":1,', b'{"id":"%s",' % (b"x" * 64)):
        labelled = message.labelled(label)
        assert labelled.payload == labelled.text.encode() == label + BODY
        assert labelled.frame.endswith(label + BODY)
        assert inflated(labelled.deflated) == label + BODY
    assert message.labelled(b"") is message


def test_the_message_is_deflated_once_for_all_labels(monkeypatch) -> None:
    made = []
    original = zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", lambda *args, **named: made.append(1) or original(*args, **named))
    message = Message(BODY)
    for number in range(50):
        labelled = message.labelled(b"%d" % number)
        labelled.deflate()
        assert labelled.is_deflated
        assert labelled.deflated
    assert len(made) == 1


def test_of_many_labels_few_messages_are_kept() -> None:
    message = Message(BODY)
    first = [message.labelled(b"%d" % number) for number in range(3 * LABELS)]
    again = [message.labelled(b"%d" % number) for number in range(3 * LABELS)]
    assert sum(one is other for one, other in zip(first, again, strict=True)) == LABELS


@pytest.fixture
def without_a_ring(settings) -> None:
    settings.SPOT_IO_URING = False


def follower(label: bytes, pace: float = 0, **socket_facts: bool) -> Subscription:
    """The only subscription of a connection of its own."""
    socket = Socket()
    for name, value in socket_facts.items():
        setattr(socket, name, value)
    outbox = Outbox(Owner(), socket)
    subscription = Subscription("", "192.0.2.1", Documented(), outbox, lambda *_: None, label=label)
    subscription.pace = Bucket(pace, 1) if pace else None
    outbox.add(subscription)
    Hub.current().join(subscription, wish("market", "page_size=2")[0])
    return subscription


@pytest.mark.usefixtures("redis", "without_a_ring")
def test_members_with_any_number_of_labels_get_their_own_frames_of_one_page() -> None:
    async def story() -> None:
        await put_market(2)
        labels = [b"%d:" % (number // 2) for number in range(4 * LABELS)]
        members = [follower(label) for label in labels]
        await eventually(lambda: all(member.outbox.socket.wire for member in members))
        (group,) = Hub.current().groups.values()
        assert all(member in group.lanes for member in members)
        for member in members:
            member.outbox.socket.messages()
        await put(USD, market(2, 1.0))
        await eventually(lambda: all(member.outbox.socket.wire for member in members))
        body = group.update.full.payload
        assert [member.outbox.socket.messages() for member in members] == [[label + body] for label in labels]
        for member in members:
            Hub.current().leave(member)
        assert not any(member in group.lanes for member in members)
        assert not group.lanes._labelled

    run(story())


@pytest.mark.usefixtures("redis", "without_a_ring")
def test_a_subscription_with_a_pace_gets_the_newest_page_when_it_is_due() -> None:
    async def story() -> None:
        await put_market(2)
        paced = follower(b"", pace=2)
        await eventually(lambda: paced.outbox.socket.wire)
        paced.outbox.socket.messages()
        assert paced not in paced.group.lanes
        for shift in (1.0, 2.0, 3.0):
            version = await put(USD, market(2, shift))
            await eventually(lambda version=version: Hub.current().topics[USD.name].version == version)
        newest = paced.group.update.full.payload
        await eventually(lambda: bytes(paced.outbox.socket.wire).endswith(newest))
        assert len(paced.outbox.socket.messages()) <= 2

    run(story())


@pytest.mark.usefixtures("redis", "without_a_ring")
def test_a_connection_with_a_pace_gets_each_subscriptions_newest_page_in_turn() -> None:
    async def story() -> None:
        await put_market(5)
        socket = Socket()
        outbox = Outbox(Owner(), socket)
        outbox.pace = Bucket(10, 1)
        for page in range(1, 5):
            one = Subscription(page, "192.0.2.1", Documented(), outbox, lambda *_: None, label=b"%d" % page)
            outbox.add(one)
            Hub.current().join(one, wish("market", f"page_size=1&page={page}")[0])
        await eventually(lambda: len(outbox.pages) + bool(socket.wire) == 4)
        await eventually(lambda: not outbox.pages)
        assert sorted(payload[:1] for payload in socket.messages()) == [b"1", b"2", b"3", b"4"]
        assert outbox.lend() is None

    run(story())
