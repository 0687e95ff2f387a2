"""Logos through the server: only what rows of known coins name, only from allowed hosts, only small pictures."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import providers
from providers.errors import Unavailable
from spot.hub.hub import Hub
from spot.web import logos, lookups
from spot.web.logos import Gallery, allowed, picture_of
from tests.spot.asking import ask
from tests.spot.rows import USD, coin
from tests.spot.sockets import Socket, eventually, put, put_lists, run

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PICTURES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 50,
    "image/gif": b"GIF89a" + b"\0" * 50,
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 50,
}


class Upstream:
    """A host of pictures on loopback. `answers` has, by path, (status, headers, body); `asked` who was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.let_go = threading.Event()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                upstream.asked.append((self.path, dict(self.headers)))
                if self.path.startswith("/slow"):
                    upstream.let_go.wait(10)
                status, headers, body = upstream.answers.get(self.path, (404, {}, b"no"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def has(self, path: str, body: bytes = PNG, kind: str = "image/png", status: int = 200, **headers: str) -> str:
        """Answers that path so from now on; the address."""
        self.answers[path] = (status, {"Content-Type": kind, **headers}, body)
        return self.origin + path

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


@pytest.fixture
def site(upstream: Upstream, redis: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """The site, with that upstream as the only place of logos and an empty gallery."""
    monkeypatch.setattr(logos, "origins", lambda: frozenset({upstream.origin}))
    gallery = Gallery()
    monkeypatch.setattr(logos, "gallery", lambda: gallery)
    yield upstream
    upstream.let_go.set()
    gallery.close()


def serve(logo: str, *, path: str = "/logo/bitcoin", times: int = 1, shown: bool = True, **headers: str) -> list:
    """What the site answers when Bitcoin's row names that logo."""
    answers = []

    async def story() -> None:
        await put_lists()
        await put(USD, [coin("bitcoin", price=1.0, market_cap=2.0, logo=logo)])
        async with Socket("market") as socket:
            if shown:
                await socket.frame()
            answers.extend([await ask(path, headers=headers) for _ in range(times)])

    run(story())
    return answers


# --- through the site -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [True, False])
def test_a_known_coins_logo_is_passed_on(site, shown) -> None:
    [answer] = serve(site.has("/btc.png?1696501400"), shown=shown)
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "image/png", PNG)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "max-age=86400" in answer["Cache-Control"]


def test_the_upstream_is_asked_once_and_learns_nothing_of_the_visitor(site) -> None:
    answers = serve(site.has("/btc.png"), times=3, cookie="sessionid=secret", referer="http://testserver/coin/bitcoin/")
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    [(_, headers)] = site.asked
    assert not {name.lower() for name in headers} & {"cookie", "referer", "authorization", "x-forwarded-for"}


def test_a_browser_that_has_it_is_told_so(site) -> None:
    url = site.has("/btc.png")
    [answer] = serve(url)
    [again] = serve(url, **{"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (SVG, "image/svg+xml"),
        (SVG, "image/png"),
        (b"<html>", "text/html"),
        (PNG, "text/html"),
        (PNG, "image/svg+xml"),
        (b"", "image/png"),
    ],
)
def test_what_is_no_picture_is_refused(site, body, kind) -> None:
    [answer] = serve(site.has("/btc.png", body, kind))
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_picture_that_is_too_large_is_refused(site) -> None:
    [answer] = serve(site.has("/btc.png", PNG + b"\0" * logos.MAX_BYTES))
    assert answer.status_code == 204


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(site, status) -> None:
    site.has("/secret.png")
    [answer] = serve(site.has("/btc.png", b"", status=status, Location=f"{site.origin}/secret.png"))
    assert answer.status_code == 204
    assert [path for path, _ in site.asked] == ["/btc.png"]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_an_upstream_that_fails_is_left_alone_for_a_while(site, status) -> None:
    answers = serve(site.has("/btc.png", PNG, status=status), times=3)
    assert [answer.status_code for answer in answers] == [204, 204, 204]
    assert len(site.asked) == 1


def test_a_slow_upstream_costs_a_visitor_only_so_much(site, monkeypatch) -> None:
    monkeypatch.setattr(lookups, "PATIENCE", 0.05)
    [answer] = serve(site.has("/slow.png"))
    assert answer.status_code == 204


@pytest.mark.parametrize(
    "path",
    [
        "/logo/dogecoin",
        "/logo/",
        "/logo/..",
        "/logo/../static/x",
        "/logo/%2e%2e%2fsecret",
        "/logo/bitcoin/",
        "/logo/a b",
        "/logo/http://127.0.0.1/x",
        "/logo/https:%2f%2fevil.test%2fx.png",
        "/logo/" + "x" * 101,
    ],
)
def test_nothing_but_a_known_coins_id_is_answered(site, path) -> None:
    [answer] = serve(site.has("/btc.png"), path=path)
    assert answer.status_code == 404
    assert site.asked == []


def test_a_query_changes_nothing(site) -> None:
    site.has("/other.png", b"GIF89a")
    [answer] = serve(site.has("/btc.png"), path=f"/logo/bitcoin?url={site.origin}/other.png")
    assert answer.content == PNG


@pytest.mark.parametrize("logo", ["", "https://elsewhere.test/btc.png", "file:///etc/passwd", "//127.0.0.1/btc.png"])
def test_a_logo_elsewhere_is_not_fetched(site, logo) -> None:
    [answer] = serve(logo)
    assert answer.status_code == 404


def test_a_logo_is_only_read(site) -> None:
    async def story() -> None:
        assert (await ask("/logo/bitcoin", "POST")).status_code == 405

    run(story())


# --- the parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "body"), PICTURES.items())
def test_pictures_are_known_by_their_bytes(kind, body) -> None:
    for claimed in (kind, "", "application/octet-stream", "image/jpg"):
        made = picture_of(claimed, body)
        assert made is not None
        assert made.content_type == kind


@pytest.mark.parametrize(
    "url",
    [
        "https://pics.test.evil.test/a.png",
        "https://pics.test@evil.test/a.png",
        "https://user@pics.test/a.png",
        "https://pics.test:8443/a.png",
        "https://pics.test\\@evil.test/a.png",
        "http://pics.test/a.png",
        "https://pics.test\n/a.png",
        "https://[pics.test/a.png",
        "//pics.test/a.png",
        "https:///a.png",
        "",
    ],
)
def test_an_origin_is_allowed_to_the_letter(url) -> None:
    among = frozenset({"https://pics.test"})
    assert allowed("https://pics.test/a.png?x=1", among)
    assert not allowed(url, among)


def test_adapters_declare_where_their_logos_lie() -> None:
    declared = {origin for provider in providers.all() for origin in provider.logo_origins}
    assert declared == logos.origins()
    assert all(origin.startswith("https://") for origin in declared)


class Hours:
    """A fetcher and a clock of a test's own."""

    def __init__(self) -> None:
        self.now, self.fetched, self.body = 0.0, [], PNG

    def fetch(self, url: str) -> tuple[str, bytes]:
        self.fetched.append(url)
        if not self.body:
            raise Unavailable("gone")
        return "image/png", self.body

    def gallery(self, max_total: int = logos.MAX_TOTAL) -> Gallery:
        return Gallery(self.fetch, max_total, lambda: self.now)


def test_many_who_ask_at_once_share_one_fetch() -> None:
    gate, hours = threading.Event(), Hours()

    def held(url: str) -> tuple[str, bytes]:
        gate.wait(5)
        return hours.fetch(url)

    gallery = Gallery(held)
    asked = [gallery.ask("a") for _ in range(50)]
    gate.set()
    assert {future.result(5).body for future in asked} == {PNG}
    assert hours.fetched == ["a"]
    gallery.close()


def test_a_logo_is_fetched_again_when_it_is_old_and_kept_when_that_fails() -> None:
    hours = Hours()
    gallery = hours.gallery()
    gallery.ask("a").result(5)
    hours.now, hours.body = logos.KEEP_SECONDS + 1, b""
    assert gallery.ask("a").result(5).body == PNG
    assert len(hours.fetched) == 2
    hours.now += logos.REST_SECONDS + 1
    hours.body = PNG + b"new"
    assert gallery.ask("a").result(5).body == PNG + b"new"
    gallery.close()


def test_what_is_kept_has_a_bound_and_the_least_asked_for_goes_first() -> None:
    hours = Hours()
    gallery = hours.gallery(max_total=3 * (len(PNG) + 512))
    for url in ("a", "b", "c", "a", "d"):
        gallery.ask(url).result(5)
    hours.fetched.clear()
    for url in ("a", "c", "d"):
        gallery.ask(url).result(5)
    assert hours.fetched == []
    gallery.ask("b").result(5)
    assert hours.fetched == ["b"]
    gallery.close()


# --- currencies -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis")
def test_the_currencies_are_those_that_the_providers_quote() -> None:
    async def story() -> None:
        assert (await ask("/currencies.json")).json() == {"currencies": []}
        await put_lists(currencies=("usd", "eur", "sats"))
        async with Socket("market"):
            await eventually(lambda: Hub.current().topics["currencies"].table)
        assert (await ask("/currencies.json")).json() == {"currencies": ["eur", "sats", "usd"]}

    run(story())
