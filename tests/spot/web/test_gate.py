"""Origins and hosts: who may open a socket, held against the table of threats."""

import asyncio
import json

import pytest

from spot.web.gate import Door, OriginGate, host_allowed, origin_allowed
from tests.spot.sockets import Socket, put_market, run

EVIL = [
    "https://evil.example",
    "null",
    "http://good.example.evil",
    "https://good.example",
    "http://good.example:8080",
    "http://good.example:443",
    "https://good.example:443",
    "https://good.example:80",
    "http://good.example..",
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
        ("https://good.example", "good.example:443", "wss"),
        ("https://good.example:443", "good.example", "wss"),
        ("http://good.example", "good.example:80", "ws"),
        ("http://good.example.", "good.example", "ws"),
        ("https://good.example", "good.example.:443", "wss"),
        ("https://good.example", "good.example:80", "wss"),
        ("https://[2001:db8::1]", "[2001:DB8:0::1]:443", "wss"),
        ("https://xn--bcher-kva.example", "b\u00fccher.example", "wss"),
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


def passed(scope: dict) -> dict[bytes, bytes]:
    """The headers with which a request gets through the door."""
    seen: dict[bytes, bytes] = {}

    async def inside(scope: dict, *_: object) -> None:
        seen.update(scope["headers"])

    asyncio.run(Door(inside, lambda _path: False)({"type": "http", "path": "/", "scheme": "http", **scope}, None, None))
    return seen


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (b"spot.example.org:443", b"https://spot.example.org"),
        (b"spot.example.org", b"https://spot.example.org:443"),
        (b"Spot.Example.org.", b"https://spot.example.org"),
        (b"spot.example.org:80", b"https://spot.example.org"),
    ],
)
def test_the_admin_sees_one_spelling_of_host_and_origin(host: bytes, origin: bytes) -> None:
    headers = passed({"scheme": "https", "headers": [(b"host", host), (b"origin", origin)]})
    assert headers == {b"host": b"spot.example.org", b"origin": b"https://spot.example.org"}


def test_a_foreign_origin_is_left_as_it_is() -> None:
    given = {b"host": b"spot.example.org", b"origin": b"https://www.example.org:443"}
    assert passed({"scheme": "https", "headers": list(given.items())}) == given


HEALTH = [b"10.42.0.17:8000", b"spot-web:8000", b"[fd00::1]:8000", b"spot_web", b"evil.example", None]


@pytest.mark.django_db
@pytest.mark.parametrize("host", HEALTH)
@pytest.mark.parametrize("https", [False, True])
def test_health_is_told_to_any_host_and_never_redirected(host: bytes | None, https: bool, settings) -> None:
    settings.SECURE_SSL_REDIRECT = settings.SPOT_HTTPS = https
    assert asked("/healthz", [] if host is None else [(b"host", host)])[0] == 200


@pytest.mark.parametrize("path", ["/", "/healthz/", "/status.json", "/admin/healthz", "/readyz.json", "//healthz"])
def test_every_other_path_stays_strict(path: str) -> None:
    assert asked(path, [(b"host", b"spot-web:8000")])[0] in (400, 404)
    assert asked(path, [(b"host", b"spot-web:8000")])[0] == 400


def asked(path: str, headers: list[tuple[bytes, bytes]], client: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body of a request to the whole application."""
    from spot_project.asgi import application

    sent: list[dict] = []

    async def story() -> None:
        events = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict:
            return events.pop() if events else await asyncio.Event().wait()

        async def send(event: dict) -> None:
            sent.append(event)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "scheme": "http",
            "client": (client, 1),
            "server": ("203.0.113.9", 8000),
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
        }
        await application(scope, receive, send)

    run(story())
    body = b"".join(event.get("body", b"") for event in sent if event["type"] == "http.response.body")
    return sent[0]["status"], body


@pytest.mark.parametrize(
    ("client", "header"),
    [("192.0.2.1", b"accept"), ("127.0.0.1", b"x-forwarded-for"), ("127.0.0.1", b"via"), ("::12", b"accept")],
)
def test_debug_pages_are_for_this_machine_only(client: str, header: bytes, settings) -> None:
    settings.DEBUG = True
    assert asked("/healthz", [(b"host", b"localhost"), (header, b"x")], client)[0] == 403
    assert asked("/healthz", [(b"host", b"localhost")], "::ffff:127.0.0.1")[0] == 200


def test_a_sockets_path_over_plain_http_names_the_header_that_is_missing() -> None:
    status, body = asked("/tzone_apis/services/spot/ws/market", [(b"host", b"localhost")])
    answer = json.loads(body)
    assert (status, answer["type"], answer["code"]) == (426, "error", "upgrade_required")
    assert "Upgrade: websocket" in answer["message"]
    assert "proxy_set_header Upgrade" in answer["message"]
    assert asked("/tzone_apis/services/spot/ws/nosuch", [(b"host", b"localhost")])[0] == 404
