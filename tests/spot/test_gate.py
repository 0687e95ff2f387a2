"""Origins and hosts: who may open a socket, held against the table of threats."""

import asyncio

import pytest

from spot.gate import OriginGate, host_allowed, origin_allowed
from tests.spot.sockets import Socket, put_market, run

EVIL = [
    "https://evil.example",
    "null",
    "http://good.example.evil",
    "https://good.example",
    "http://good.example:8080",
    "http://good.example.",
    "http://xgood.example",
    "",
    "http://",
    "http://[",
    "good.example",
    "file://",
    "javascript:1",
    "http://good.example@evil.example",
    "http://good.example\x85",
]


@pytest.mark.parametrize("origin", EVIL)
@pytest.mark.parametrize("has_cookie", [True, False])
def test_another_origin_is_refused(origin, has_cookie) -> None:
    assert not origin_allowed(origin, "good.example", "ws", has_cookie=has_cookie)


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://good.example", "good.example", "ws"),
        ("https://good.example", "good.example", "wss"),
        ("http://localhost:8000", "localhost:8000", "ws"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
        ("http://Good.example", "good.EXAMPLE", "ws"),
    ],
)
def test_our_own_origin_is_allowed(origin, host, scheme) -> None:
    assert origin_allowed(origin, host, scheme, has_cookie=True)


def test_a_client_without_origin_may_connect_unless_it_carries_a_cookie() -> None:
    assert origin_allowed(None, "good.example", "ws", has_cookie=False)
    assert not origin_allowed(None, "good.example", "ws", has_cookie=True)


def test_listed_origins_are_allowed_whole_and_exact(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["https://partner.example"]
    assert origin_allowed("https://partner.example", "good.example", "ws", has_cookie=False)
    assert not origin_allowed("http://partner.example", "good.example", "ws", has_cookie=False)
    assert not origin_allowed("https://partner.example:444", "good.example", "ws", has_cookie=False)


def test_a_star_means_everybody_only_while_debugging(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["*"]
    settings.DEBUG = False
    assert not origin_allowed("https://evil.example", "good.example", "ws", has_cookie=False)
    settings.DEBUG = True
    assert origin_allowed("https://evil.example", "good.example", "ws", has_cookie=False)


def test_behind_a_tls_proxy_the_origin_is_https(settings) -> None:
    settings.SPOT_HTTPS, settings.SPOT_TRUSTED_PROXIES = True, ["127.0.0.1"]
    assert origin_allowed("https://good.example", "good.example", "ws", has_cookie=True)
    assert not origin_allowed("http://good.example", "good.example", "ws", has_cookie=True)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "[::1", "a b", "localhost:x", "\x00"]
)
def test_a_name_that_is_not_ours_is_refused(host) -> None:
    assert not host_allowed(host)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_our_names_are_allowed(host) -> None:
    assert host_allowed(host)


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://localhost:81"},
        {"cookie": "sessionid=x"},
        {"host": "evil.example"},
        {"host": ""},
        {"origin": "https://evil.example", "host": "evil.example"},
    ],
)
def test_a_refused_handshake_gets_no_accept_and_no_frame(headers, settings) -> None:
    async def story() -> None:
        async with Socket("market", headers=headers) as socket:
            assert socket.accepted is None
            assert socket.refused == {"type": "websocket.close", "code": 4403}
            assert await socket.silent(0.05)

    run(story())


@pytest.mark.usefixtures("redis")
def test_the_page_of_this_site_is_let_in_with_its_cookie() -> None:
    async def story() -> None:
        await put_market(1)
        async with Socket("market", headers={"origin": "http://localhost", "cookie": "sessionid=x"}) as socket:
            assert (await socket.frame())["rows"]

    run(story())


def test_hosts_are_not_all_allowed_because_origins_are(settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    async def story() -> None:
        async def never(*_: object) -> None:
            raise AssertionError("reached")

        sent: list[dict] = []

        async def send(event: dict) -> None:
            sent.append(event)

        async def receive() -> dict:
            return {"type": "websocket.connect"}

        headers = [(b"host", b"anything.example"), (b"origin", b"https://evil.example"), (b"cookie", b"sessionid=x")]
        await OriginGate(never)({"type": "websocket", "scheme": "ws", "headers": headers}, receive, send)
        assert [event["type"] for event in sent] == ["websocket.close"]

    asyncio.run(story())
