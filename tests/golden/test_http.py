"""Not a header changes unnoticed: what the site answers over HTTP besides its pages, to requests of every kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers.errors import Unavailable
from spot.clients import limits
from spot.hub.hub import Hub
from spot.web import logos
from spot_project import asgi
from tests.golden import player
from tests.golden.test_golden import PREFIX, clock, steady, transcript
from tests.spot.asking import Response, ask, fresh_application
from tests.spot.rows import USD, market
from tests.spot.sockets import eventually, put, run

__all__ = ["clock", "transcript"]

ORIGIN = "https://partner.example"
STRANGER = "https://elsewhere.example"
MARKET = f"{PREFIX}market?page_size=2&sparkline=false"
PREFLIGHT = {"access-control-request-method": "GET", "access-control-request-headers": "if-none-match"}
PATHS = (
    MARKET,
    f"{PREFIX}market/?page_size=1",
    f"{PREFIX}market?format=csv&page_size=2",
    f"{PREFIX}market?format=xlsx",
    f"{PREFIX}market?page_size=x",
    f"{PREFIX}market?search=nosuch",
    f"{PREFIX}market?search=%ff",
    f"{PREFIX}ticker-tape?coin_ids=bitcoin,nosuchcoin",
    f"{PREFIX}ticker-tape?coin_ids=nosuchcoin",
    f"{PREFIX}historical-ohlcv",
    f"{PREFIX}nosuch",
    f"{PREFIX}market/more",
    PREFIX,
    f"{PREFIX}ws/market",
    f"{PREFIX}ws/market/",
    f"{PREFIX}ws/nosuch",
    "/healthz",
    "/readyz",
    "/status.json",
    "/currencies.json",
    "/coins.json?q=bit",
)
SAFE = ("GET", "HEAD", "OPTIONS")
#: Requests beside a plain one of each safe method to every path.
OTHERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    *(("GET", path, {"origin": ORIGIN}) for path in PATHS),
    ("HEAD", MARKET, {"origin": ORIGIN}),
    ("OPTIONS", MARKET, {"origin": ORIGIN, **PREFLIGHT}),
    ("OPTIONS", f"{PREFIX}nosuch", {"origin": ORIGIN, **PREFLIGHT}),
    ("OPTIONS", "/healthz", {"origin": ORIGIN, **PREFLIGHT}),
    ("OPTIONS", "/status.json", {"origin": STRANGER, **PREFLIGHT}),
    ("GET", MARKET, {"origin": STRANGER}),
    *((method, MARKET, {}) for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")),
    ("POST", MARKET, {"origin": ORIGIN}),
    ("POST", MARKET, {"content-length": "2"}),
    ("GET", MARKET, {"content-length": "2", "origin": ORIGIN}),
    ("GET", "/healthz", {"content-length": "2"}),
    ("GET", MARKET, {"accept-encoding": "gzip, br"}),
    ("GET", f"{PREFIX}market", {"accept-encoding": "identity;q=0.5, gzip;q=0.1"}),
    ("GET", f"{PREFIX}market?format=csv", {"accept-encoding": "identity;q=0"}),
    ("GET", MARKET, {"if-none-match": "*"}),
    ("HEAD", MARKET, {"if-none-match": "*"}),
    ("GET", MARKET, {"if-none-match": '"other"'}),
    ("GET", MARKET, {"if-none-match": "*", "accept-encoding": "gzip", "origin": ORIGIN}),
    *(("GET", path, {"host": "elsewhere.example"}) for path in (MARKET, "/status.json", "/healthz", "/readyz")),
    *(("GET", MARKET, {"host": host}) for host in ("localhost:8000", "LOCALHOST.", "[::1]:8000", "", "a b", "[")),
    ("GET", MARKET, {"cookie": f"spot-session={'x' * 32}"}),
    ("GET", "/healthz/", {}),
    ("GET", f"{PREFIX}".rstrip("/"), {}),
)
pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.django_db(transaction=True)]


def written(method: str, target: str, headers: dict[str, str], response: Response) -> list[str]:
    return [
        f"# {method} {target} {headers or ''}".rstrip(),
        f"< {response.status_code}",
        *(f"< {name}: {steady(name, value)}" for name, value in sorted(response.headers.items())),
        f"< {player.line(response.content.decode('latin-1'))}",
    ]


async def prepared() -> None:
    """A hub that has read the lists and a market."""
    await player.prepare("market")
    await Hub.current().nudges.until_begun()


@pytest.fixture
def shared(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = [ORIGIN]
    settings.SPOT_REQUESTS_PER_MINUTE = 60_000


def test_requests_are_answered_as_they_always_were(clock, transcript, shared) -> None:
    lines: list[str] = []

    async def story() -> None:
        await prepared()
        for method, target, headers in (*((method, path, {}) for path in PATHS for method in SAFE), *OTHERS):
            lines.extend(written(method, target, headers, await ask(target, method, headers=headers)))

    run(story())
    transcript("door", lines)


LOGOS: tuple[tuple[str, str, dict[str, str]], ...] = (
    *((method, "/logo/bitcoin", {}) for method in ("GET", "HEAD", "OPTIONS")),
    ("GET", "/logo/bitcoin?v=2", {"origin": ORIGIN, "accept-encoding": "gzip, br", "cookie": "a=b"}),
    *((method, "/logo/bitcoin", {"if-none-match": '"tag"'}) for method in ("GET", "HEAD")),
    ("GET", "/logo/bitcoin", {"if-none-match": '"other", "tag"'}),
    ("GET", "/logo/ethereum", {}),
    ("HEAD", "/logo/ethereum", {}),
    ("GET", "/logo/tether", {}),
    *((method, "/logo/nosuch", {}) for method in ("GET", "HEAD", "OPTIONS")),
    ("GET", "/logo/..", {}),
    ("GET", "/logo/bitcoin", {"content-length": "2"}),
    *(("GET", "/logo/bitcoin", {"host": host}) for host in ("elsewhere.example", "", "LOCALHOST.")),
)


@pytest.fixture
def pictures(monkeypatch) -> Iterator[None]:
    """One host of pictures, which has that of Bitcoin."""
    picture = logos.Picture("image/png", b"\x89PNG\r\n\x1a\n and so on", '"tag"')

    def fetch(url: str) -> tuple[str, bytes]:
        if not url.endswith("/bitcoin.png"):
            raise Unavailable("gone")
        return picture.content_type, picture.body

    gallery = logos.Gallery(fetch)
    monkeypatch.setattr(logos, "picture_of", lambda *_: picture)
    monkeypatch.setattr(logos, "gallery", lambda: gallery)
    monkeypatch.setattr(logos, "origins", lambda: frozenset({"https://pictures.example"}))
    yield
    gallery.close()


def test_logos_are_answered_as_they_always_were(clock, transcript, shared, https, pictures) -> None:
    lines: list[str] = []
    rows = [
        row | {"logo": f"https://{host}.example/{row['id']}.png"}
        for row, host in zip(market(3), ("pictures", "pictures", "elsewhere"), strict=True)
    ]

    async def story() -> None:
        await prepared()
        await put(USD, rows)
        await eventually(lambda: Hub.current().topics[USD.name].table.column("logo")[0] == rows[0]["logo"])
        application = fresh_application()
        for scheme in ("https", "http"):
            lines.append(f"# over {scheme}")
            for method, target, headers in LOGOS if scheme == "https" else LOGOS[:4]:
                response = await ask(target, method, headers=headers, scheme=scheme, application=application)
                lines.extend(written(method, target, headers, response))

    run(story())
    transcript("logos", lines)


@pytest.fixture
def https(settings) -> Iterator[None]:
    """A site that is reached over TLS."""
    settings.SPOT_HTTPS = settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.SPOT_TRUSTED_PROXIES = ["127.0.0.1"]
    before = vars(asgi).copy()
    yield
    vars(asgi).update(before)


def test_over_tls_they_are_answered_as_they_always_were(clock, transcript, shared, https) -> None:
    lines: list[str] = []

    async def story() -> None:
        await prepared()
        application = fresh_application()
        for scheme in ("http", "https"):
            lines.append(f"# over {scheme}")
            for method, target, headers in (
                *(("GET", path, {}) for path in PATHS),
                ("HEAD", MARKET, {}),
                ("POST", MARKET, {}),
                ("OPTIONS", MARKET, {"origin": ORIGIN, **PREFLIGHT}),
                ("GET", MARKET, {"host": "elsewhere.example"}),
                ("GET", MARKET, {"host": "localhost:80", "origin": ORIGIN}),
                ("GET", f"{PREFIX}nosuch?a=%22b", {}),
            ):
                response = await ask(target, method, headers=headers, scheme=scheme, application=application)
                lines.extend(written(method, target, headers, response))

    run(story())
    transcript("door-https", lines)


def test_a_spent_allowance_is_told_as_it_always_was(clock, transcript, settings, monkeypatch) -> None:
    monkeypatch.setattr(limits.requests, "_clock", lambda: 1000.0)
    settings.SPOT_ALLOWED_ORIGINS = [ORIGIN]
    settings.SPOT_REQUESTS_PER_MINUTE = 24  # six at once
    lines: list[str] = []

    async def story() -> None:
        await prepared()
        for method, target, headers in (
            ("GET", f"{PREFIX}market?search=once", {}),  # a new question: four
            ("GET", f"{PREFIX}market?search=twice", {"origin": ORIGIN}),  # the request is paid for, the question not
            ("GET", f"{PREFIX}nosuch", {}),
            ("GET", MARKET, {"origin": ORIGIN}),
            ("HEAD", "/status.json", {}),
            ("POST", MARKET, {}),
            ("OPTIONS", MARKET, {"origin": ORIGIN, **PREFLIGHT}),
            ("GET", MARKET, {"host": "elsewhere.example"}),
            ("GET", "/healthz", {}),
        ):
            lines.extend(written(method, target, headers, await ask(target, method, headers=headers)))

    run(story())
    transcript("door-allowance", lines)
