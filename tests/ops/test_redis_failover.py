"""A Redis that answers and is of no use: what is said of it, and that it is left for a good one.

Two real servers, the second a replica of the first, and a relay that stands for a balancer: after a failover it takes
new connections to the new primary, while the open ones stay with the old one, which refuses writes.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from kombu import Connection, Queue
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as LateError

from providers.redis_trouble import refusal
from spot import snapshots
from spot.snapshots.reader import Reader
from spot_project.redis_address import parse
from spot_project.redis_connections import Server
from tests.chaos.relay import Behaviour
from tests.chaos.relay import Relay as FaultyRelay
from tests.live import wait_until
from tests.redis_servers import Instance, Relay


class Pair:
    """Two servers behind one address."""

    def __init__(self, folder: Path) -> None:
        self.old = Instance(folder / "old")
        self.new = Instance(folder / "new", "--replicaof", "127.0.0.1", str(self.old.port))
        self.relay = Relay(self.old.port)
        self.server = Server(parse(f"redis://127.0.0.1:{self.relay.port}/0"))

    def fail_over(self) -> None:
        self.new.client.replicaof("NO", "ONE")
        self.old.client.replicaof("127.0.0.1", str(self.new.port))
        self.relay.target = self.new.port

    def close(self) -> None:
        self.relay.close()
        self.old.close()
        self.new.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.close()


def tried(write: Callable[[], Any]) -> str:
    try:
        write()
    except RedisError as error:
        return refusal(error) or type(error).__name__
    return ""


def test_a_client_of_the_store_is_refused_once_and_then_writes_to_the_new_primary(pair: Pair) -> None:
    client, other = pair.server.client(), pair.server.client()
    client.set("a", 1)
    other.publish("news", "x")
    pair.fail_over()
    assert tried(lambda: client.set("a", 2)) == "refuses writes: it is a read-only replica"
    client.set("a", 3)
    assert pair.new.client.get("a") == b"3"
    # A publisher is never refused, and must leave all the same, or nobody hears it.
    with pair.new.client.pubsub() as heard:
        heard.subscribe("news")
        wait_until(lambda: heard.get_message(timeout=1))
        other.publish("news", "y")
        wait_until(lambda: (heard.get_message(timeout=1) or {}).get("data") == b"y", 5)


def test_a_script_and_a_pipeline_are_left_alike(pair: Pair) -> None:
    client = pair.server.client()
    script = client.register_script("return redis.call('set', KEYS[1], ARGV[1])")
    script(keys=["b"], args=[1])
    pair.fail_over()
    assert tried(lambda: script(keys=["b"], args=[2])) == "refuses writes: it is a read-only replica"
    script(keys=["b"], args=[3])
    pair.old.client.replicaof("NO", "ONE")
    assert pair.new.client.get("b") == b"3"


def test_a_pipeline_leaves_a_replica(pair: Pair) -> None:
    client = pair.server.client()

    def write() -> None:
        with client.pipeline(transaction=True) as pipe:
            pipe.set("c", 1).set("d", 1).execute()

    write()
    pair.fail_over()
    assert tried(write)
    write()
    assert pair.new.client.get("d") == b"1"


def test_the_hubs_reader_leaves_a_replica(pair: Pair, settings) -> None:
    settings.REDIS = pair.server

    async def story() -> None:
        reader = Reader()
        await reader.try_write()
        pair.fail_over()
        with pytest.raises(ResponseError):
            await reader.try_write()
        await reader.try_write()
        await reader.aclose()

    asyncio.run(story())
    assert pair.new.client.get(snapshots.WRITE_CHECK) == b"1"


def test_the_channel_layer_leaves_a_replica(pair: Pair, settings) -> None:
    settings.REDIS = pair.server

    async def story() -> None:
        layer = RedisPubSubChannelLayer(hosts=[pair.server.async_pool])
        channel = await layer.new_channel()
        await layer.group_add("snapshots", channel)
        reader = Reader()
        await reader.try_write()
        pair.fail_over()
        with pytest.raises(ResponseError):  # whichever connection is refused, all are left
            await reader.try_write()
        async with asyncio.timeout(20):
            await layer.group_send("snapshots", {"name": "x"})
            while not pair.new.client.pubsub_numsub("asgi__group__snapshots")[0][1]:  # noqa: ASYNC110 - another's state
                await asyncio.sleep(0.05)
        await layer.flush()
        await reader.aclose()

    asyncio.run(story())


def test_celerys_consumer_and_publisher_leave_a_replica(pair: Pair, settings) -> None:
    settings.REDIS = pair.server
    queue = Queue("q")
    received: list[Any] = []
    options = {"global_keyprefix": "t:"}

    def drain(connection: Connection, times: int) -> None:
        for _ in range(times):
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=2)

    def take(body: Any, message: Any) -> None:
        received.append(body)
        message.ack()

    with Connection("gateway://redis", transport_options=options) as old, old.Consumer(queue, callbacks=[take]):
        drain(old, 1)
        pair.fail_over()
        with pytest.raises(old.connection_errors):
            drain(old, 10)
    with Connection("gateway://redis", transport_options=options) as new, new.SimpleQueue("q") as simple:
        simple.put({"n": 1})
        assert simple.get(timeout=5).payload == {"n": 1}
    assert pair.new.client.keys("t:*")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("maxmemory", "1", "is full"),
        ("min-replicas-to-write", "3", "too few of its replicas"),
    ],
)
def test_a_server_that_refuses_writes_says_why(pair: Pair, setting: str, value: str, words: str) -> None:
    client = pair.server.client()
    client.set("a", 1)
    pair.old.client.config_set(setting, value)
    assert words in tried(lambda: client.set("a", 2))
    pair.old.client.config_set(setting, "0")
    client.set("a", 3)


def test_a_password_and_a_permission_that_are_refused_are_told(pair: Pair) -> None:
    client = pair.server.client(retry=None)
    client.set("a", 1)
    pair.old.client.config_set("requirepass", "new")
    client.connection_pool.disconnect()
    assert tried(lambda: client.set("a", 2)) == "refuses the user or the password in REDIS_URL"
    pair.old.client.execute_command("AUTH", "new")
    pair.old.client.execute_command("ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "+@read", "+@connection")
    reader = Server(parse(f"redis://reader:s3cret@127.0.0.1:{pair.relay.port}/0")).client()
    assert tried(lambda: reader.set("a", 2)) == "does not let the user in REDIS_URL do what Spot needs"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("MISCONF Redis is configured to save RDB snapshots", "cannot save"),
        ("LOADING Redis is loading the dataset in memory", "is loading"),
        ("MASTERDOWN Link with MASTER is down", "lost its primary"),
        ("ERR Error running script: @user_script:1: -READONLY You can't write", "read-only replica"),
        ("ERR DB index is out of range", "no database of the number"),
        ("MOVED 3999 127.0.0.1:6381", "must begin with redis+cluster://"),
        ("CLUSTERDOWN The cluster is down", "nobody serves Spot's keys"),
    ],
)
def test_what_a_server_says_is_put_in_words(text: str, words: str) -> None:
    assert words in refusal(ResponseError(text))


def test_an_ordinary_mistake_is_no_refusal() -> None:
    assert refusal(ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")) == ""


@pytest.fixture
def line(redis_url: str) -> Iterator[FaultyRelay]:
    relay = FaultyRelay(urlsplit(redis_url).path)
    yield relay
    relay.close()


def lose_connections(line: FaultyRelay) -> None:
    """As a firewall does that forgets what is open: nobody is told."""
    line.behave(Behaviour(lose=True))
    line.behave()


def test_one_late_reply_is_enough_for_all_connections_of_a_process(line: FaultyRelay) -> None:
    server = Server(parse(f"redis://127.0.0.1:{line.port}/0?socket_timeout=1"))
    first, second = server.client(), server.client()
    assert first.ping()
    assert second.ping()
    lose_connections(line)
    with pytest.raises(LateError):
        first.ping()
    assert second.ping()  # by a new connection
    first.close()
    second.close()


async def lost_and_found(line: FaultyRelay) -> None:
    server = Server(parse(f"redis://127.0.0.1:{line.port}/0?socket_timeout=1"))
    first, second = server.async_client(), server.async_client()
    assert await first.ping()
    assert await second.ping()
    lose_connections(line)
    with pytest.raises(LateError):
        await first.ping()
    assert await second.ping()
    for client in (first, second):
        await client.aclose()
        await client.connection_pool.disconnect()


def test_one_late_reply_is_enough_for_all_connections_of_a_loop(line: FaultyRelay) -> None:
    asyncio.run(lost_and_found(line))
