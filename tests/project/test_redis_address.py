"""One address of Redis means the same to the store, the channel layer and Celery."""

import asyncio

import pytest
import redis.asyncio
from channels_redis.utils import create_pool
from kombu import Connection
from redis import Redis

from spot_project import celery_redis
from spot_project.redis_address import RedisAddress, parse, private
from spot_project.redis_connections import Server

ADDRESSES = [
    ("redis://127.0.0.1:6379/1", RedisAddress("tcp", "127.0.0.1", 6379, db=1)),
    ("redis://cache?db=3", RedisAddress("tcp", "cache", db=3)),
    ("redis://spot:s%23c%2Fret@cache/2", RedisAddress("tcp", "cache", db=2, username="spot", password="s#c/ret")),
    ("redis://[2001:db8::1]:7000", RedisAddress("tcp", "2001:db8::1", 7000)),
    ("unix:///run/redis/redis.sock?db=2", RedisAddress("unix", path="/run/redis/redis.sock", db=2)),
    ("unix://spot:s3cret@/run/r.sock", RedisAddress("unix", path="/run/r.sock", username="spot", password="s3cret")),
    ("unix:///run/r.sock?password=s3cret", RedisAddress("unix", path="/run/r.sock", password="s3cret")),
    ("unix:///run/spot%20%231/r.sock", RedisAddress("unix", path="/run/spot #1/r.sock")),
    ("rediss://cache/1", RedisAddress("tls", "cache", db=1)),
    ("rediss://cache?ssl_cert_reqs=CERT_NONE", RedisAddress("tls", "cache", extras=(("ssl_cert_reqs", "none"),))),
    (
        "redis+sentinel://spot:s3cret@s1,s2:26380/mymaster/3?sentinel_password=s3cret2",
        RedisAddress(
            "tcp",
            db=3,
            username="spot",
            password="s3cret",
            topology="sentinel",
            nodes=(("s1", 26379), ("s2", 26380)),
            service="mymaster",
            sentinel=(("password", "s3cret2"),),
        ),
    ),
    (
        "rediss+sentinel://[2001:db8::1]/mymaster?ssl_cert_reqs=none",
        RedisAddress(
            "tls",
            topology="sentinel",
            nodes=(("2001:db8::1", 26379),),
            service="mymaster",
            extras=(("ssl_cert_reqs", "none"),),
        ),
    ),
    (
        "redis+cluster://:s3cret@n1,n2:7001",
        RedisAddress("tcp", username="", password="s3cret", topology="cluster", nodes=(("n1", 6379), ("n2", 7001))),
    ),
    ("rediss+cluster://n1/0", RedisAddress("tls", topology="cluster", nodes=(("n1", 6379),))),
    ("redis://cache?health_check_interval=30", RedisAddress("tcp", "cache", extras=(("health_check_interval", 30),))),
]


@pytest.mark.parametrize(("text", "address"), ADDRESSES)
def test_an_address_is_read(text: str, address: RedisAddress) -> None:
    assert parse(text) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("redis://cache/zero", "by a whole number"),
        ("redis://cache/1?db=2", "once"),
        ("redis://cache?retry_on_timeout=1", "retry_on_timeout, which Spot does not know"),
        ("redis://cache?ssl_cert_reqs=none", "only rediss:// takes"),
        ("rediss://cache?ssl_cert_reqs=perhaps", "required or none"),
        ("redis://a,b", "name one server"),
        ("redis+sentinel://a,b", "name the service"),
        ("redis+sentinel://a,b/0", "name the service"),
        ("redis+sentinel://a/mymaster/zero", "by a whole number"),
        ("redis+sentinel://a/mymaster/1?ssl_cert_reqs=none", "only rediss:// takes"),
        ("redis+cluster://a,b/1", "a cluster has only 0"),
        ("redis+cluster://a?sentinel_password=x", "only redis\\+sentinel:// and rediss\\+sentinel:// take"),
        ("sentinel://a/mymaster", "must begin with"),
        ("unix://run/redis.sock", "three slashes"),
        ("http://cache", "must begin with redis://"),
        ("redis://:12345", "percent-encoded"),
        ("nonsense", "percent-encoded"),
    ],
)
def test_what_not_every_library_would_honour_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text)


@pytest.mark.parametrize(("text", "_address"), ADDRESSES)
def test_all_libraries_connect_alike(text: str, _address: RedisAddress, settings) -> None:
    settings.REDIS = Server(parse(text))
    expected = settings.REDIS.options
    sync = settings.REDIS.client().connection_pool

    async def layer() -> dict[str, object]:
        pool = create_pool(settings.REDIS.async_pool)
        assert issubclass(pool.connection_class, redis.asyncio.connection.AbstractConnection)
        return pool.connection_kwargs

    pools = [sync.connection_kwargs, asyncio.run(layer()), celery_options(settings)]
    for options in pools:
        assert {name: options.get(name) for name in expected} == expected


def celery_options(settings) -> dict[str, object]:
    """What kombu's channel would make its connections with."""
    channel = object.__new__(celery_redis.Channel)
    channel.connection = type("T", (), {"client": Connection("gateway://"), "default_port": 6379})()
    channel.connection_class = celery_redis.CONNECTIONS[settings.REDIS.kind]
    return celery_redis.Channel._connparams(channel)


def test_a_channel_that_is_closed_late_puts_back_its_messages(redis: Redis) -> None:
    """As when Redis goes while a task runs: the worker would end."""
    with Connection("gateway://redis", transport_options={"global_keyprefix": "t:"}) as connection:
        with connection.SimpleQueue("q") as queue:
            queue.put({"n": 1})
        channel = connection.channel()
        assert channel.basic_get("q").payload == {"n": 1}
        assert not redis.exists("t:q")
        transport = channel.connection
        transport.client, client, channel._pool = None, transport.client, None
        channel.close()
        transport.client = client
    assert redis.llen("t:q") == 1


def test_a_path_is_no_address() -> None:
    assert private("/tmp/spot #1?x%20;/r.sock").options["path"] == "/tmp/spot #1?x%20;/r.sock"


@pytest.mark.parametrize(("text", "address"), ADDRESSES)
def test_an_address_is_shown_without_its_password(text: str, address: RedisAddress) -> None:
    for shown in (str(address), repr(address), repr(Server(address))):
        assert "s3cret" not in shown
        assert "ret@" not in shown


def test_an_address_of_several_is_shown_as_it_is_written() -> None:
    assert str(parse("redis+sentinel://spot:s3cret@s1,s2:26380/mymaster/3")) == (
        "redis+sentinel://spot:***@s1:26379,s2:26380/mymaster/3"
    )
    assert str(parse("rediss+cluster://[::1]:7000,n2")) == "rediss+cluster://[::1]:7000,n2:6379/"


def test_sentinels_are_asked_with_their_own_password_and_the_certificates_of_all() -> None:
    address = parse("rediss+sentinel://spot:a@s1/m/2?sentinel_username=watcher&sentinel_password=b&ssl_ca_certs=/ca")
    asking = address.asking
    assert (asking["username"], asking["password"], asking["ssl_ca_certs"]) == ("watcher", "b", "/ca")
    assert "db" not in asking
    assert parse("redis+sentinel://spot:a@s1/m").asking.keys().isdisjoint({"username", "password"})
    assert parse("redis+cluster://spot:a@n1").asking["password"] == "a"
