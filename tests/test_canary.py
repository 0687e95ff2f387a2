"""A key is searched for wherever it could have leaked to: frames, pages, logs, exceptions, the admin and its history,
the database and the store."""

import json
import re
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import requests
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from redis import Redis
from websockets.exceptions import ConnectionClosed

import providers
import standins
from providers import access, client, probing
from providers.vault import Secret
from tests.live import LiveSite, connect, wait_until
from tests.operating import Operator

#: In the environment, and typed into the admin. Neither may be seen anywhere.
GIVEN, TYPED = "CG-canary-env-5c0ffee5-91ab-4d37", "CG-canary-adm-7ea7ea7e-62cd-4f18"
REAL = [provider for provider in providers.all() if not provider.simulated]
FEEDS = (
    "market?envelope=1&status=1",
    "ticker-tape?coin_ids=bitcoin,ethereum&envelope=1&status=1",
    "historical-ohlcv?coin_id=bitcoin&days=7&envelope=1&status=1",
    "historical-ohlcv?coin_id=btc",
    f"market?search={GIVEN}x",
)
PROVIDERS = "/admin/providers/providersettings/"


def shapes(key: str) -> set[bytes]:
    """The key as it may be written: whole, without its ends, quoted, in base64, as JSON."""
    plain = {key, key[:-4], key[4:-4], quote(key, safe=""), key.upper(), key.lower()}
    return {text.encode() for text in plain} | {b64encode(key.encode()), b64encode(f":{key}".encode())}


#: What may be seen nowhere; a test adds the client's key that the site makes for it.
HIDDEN = shapes(GIVEN) | shapes(TYPED)


def seen_in(where: str, found: bytes | str) -> list[str]:
    data = found if isinstance(found, bytes) else found.encode()
    return [where] if any(shape in data for shape in HIDDEN) else []


# --- a whole site -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Any]]:
    """Every provider's stand-in; they say the key back whenever they refuse anything."""
    running = {name: standins.get(name)(key=GIVEN).start() for name in standins.names()}
    yield running
    for standin in running.values():
        standin.stop()


@pytest.fixture(scope="module")
def site(make_site: Callable[..., LiveSite], upstreams: dict[str, Any]) -> LiveSite:
    """A site that uses all of them, with the key in its environment."""
    wired = {}
    for provider in REAL:
        if (standin := upstreams.get(provider.name)) is None:
            continue
        values = {"BASE_URL": standin.url, "STREAM_URL": standin.stream_url, "API_KEY": GIVEN}
        values["PLAN"] = next(plan.name for plan in provider.plans if plan.header and not plan.lacks)
        wired |= {f"{provider.name.upper()}_{what}": value for what, value in values.items() if value}
    limits = {"COINGECKO_CALLS_PER_MINUTE": "0", "COINGECKO_CALLS_PER_MONTH": "0"}
    return make_site("worker", "beat", "stream", "web", SPOT_DEMO="off", SPOT_LOG_LEVEL="DEBUG", **wired, **limits)


def frames_of(site: LiveSite, feed: str, seconds: float) -> list[str]:
    """What a socket is sent in that time, close reasons included."""
    frames, end = [], time.monotonic() + seconds
    with connect(site.socket(feed), max_size=None) as socket:
        while (left := end - time.monotonic()) > 0:
            try:
                frames.append(str(socket.recv(timeout=left)))
            except TimeoutError:
                break
            except ConnectionClosed as closed:
                return [*frames, str(closed)]
    return frames


def stored(site: LiveSite) -> Iterator[tuple[str, bytes]]:
    """Everything that the store holds."""
    with Redis.from_url(site.redis_url) as store:
        readers: dict[bytes, Callable[[bytes], Any]] = {
            b"string": store.get,
            b"hash": store.hgetall,
            b"list": lambda key: store.lrange(key, 0, -1),
            b"set": store.smembers,
            b"zset": lambda key: store.zrange(key, 0, -1, withscores=True),
        }
        for key in store.scan_iter(count=500):
            if (kind := store.type(key)) == b"none":
                continue  # it has expired since
            reader = readers.get(kind)
            assert reader, (key, kind)
            yield key.decode(errors="replace"), key + repr(reader(key)).encode()


def use_client_key(site: LiveSite, operator: Operator) -> None:
    """Make a client's key, show it at every door, and a wrong one that is like it; then replace and revoke it."""
    add = "/admin/clients/clientkey/add/"
    plan = re.search(r'<option value="(\d+)">vip', operator.open(add))
    assert plan
    key = made_key(operator.send(add, name="canary", plan=plan[1]))
    page = re.search(r"/admin/clients/clientkey/\d+/change/", operator.pages.pop(f"POST {add}"))
    assert page
    HIDDEN.update(shapes(key))
    headers = {"X-API-Key": key}
    market = site.twin("market")
    wait_until(lambda: requests.get(market, headers=headers, timeout=20).status_code == 200, what="a known key")
    with connect(site.socket("market?envelope=1"), additional_headers=headers) as socket:
        assert key not in str(socket.recv(timeout=20))
        answer = requests.get(market, headers={"Authorization": f"Bearer {key}"}, timeout=20)
        assert answer.status_code == 200
        ticket = requests.post(site.twin("ticket"), headers=headers, timeout=20).json()["ticket"]
        assert requests.get(f"{market}?ticket={ticket}", timeout=20).status_code == 200
        HIDDEN.update(shapes(ticket))
        for wrong in (key[:-1] + ("a" if key[-1] != "a" else "b"), key + "x"):
            refused = requests.get(market, headers={"X-API-Key": wrong}, timeout=20)
            assert (refused.status_code, key[4:-4] in refused.text) == (401, False)
        assert requests.get(f"{market}?api_key={key}", timeout=20).status_code == 400
        for button in ("rotate", "replace"):
            HIDDEN.update(shapes(made_key(operator.press(page[0], button))))
            operator.pages = {name: html for name, html in operator.pages.items() if not name.endswith(f"/{button}/")}
        with suppress(ConnectionClosed):
            while True:
                socket.recv(timeout=20)
        assert socket.close_code == 4401
    operator.press(page[0], "revoke")


def made_key(html: str) -> str:
    """The key on the page that shows it."""
    found = re.search(r"<code>(spot_\w+)</code>", html)
    assert found
    return found[1]


@pytest.mark.flow
@pytest.mark.timeout(300)  # it walks every page of a whole site
def test_a_key_is_seen_nowhere(site: LiveSite, upstreams: dict[str, Any]) -> None:
    operator = Operator(site)
    frames = {feed: frames_of(site, feed, 2) for feed in FEEDS}
    assert any("bitcoin" in frame.lower() for frame in frames[FEEDS[0]])

    wait_until(lambda: "assets mapped" in site.log("worker"), what="the table of coins")
    wait_until(lambda: site.log("stream").count("state=live") >= 2, what="streams")

    plan = next(plan.name for plan in providers.get("coingecko").plans if plan.header)
    said = operator.send(
        "/admin/providers/apikey/add/", plan=f"coingecko {plan}", secret=TYPED, label="x", enabled="on"
    )
    assert "••••4f18" in said

    # Calls under way still bring the key that was in force before.
    calls = upstreams["coingecko"].requests
    wait_until(lambda: calls and TYPED in calls[-1].headers.values(), what="a call with the key of the admin")
    for name, standin in upstreams.items():  # every refusal says back the key that it was sent
        sent = TYPED if name == "coingecko" else GIVEN
        standin.faults.add("", "status", status=401, message=f"no, {sent} is not good: '{sent}'")
        if standin.stream_url:
            standin.close(1008, f"no more of {sent}")
    for feed in FEEDS:
        frames[f"{feed} refused"] = frames_of(site, feed, 2)
    # Before the tests in the admin, after which the worker leaves the providers alone.
    wait_until(lambda: "***" in site.log("worker"), what="a refusal")
    assert "***" in operator.press("/admin/providers/apikey/1/change/", "test")
    for row in re.findall(r"/admin/providers/providersettings/\d+/change/", operator.open(PROVIDERS)):
        operator.press(row, "test")
    assert any("***" in data.decode(errors="replace") for _, data in stored(site))

    use_client_key(site, operator)
    operator.read_everything()
    history = [html for path, html in operator.pages.items() if "history" in path and "apikey" in path]
    assert history
    assert len(operator.pages) > 15

    paths = ("/", "/readyz", "/healthz", "/metrics", "/nowhere")
    pages = {path: requests.get(site.url + path, timeout=30).text for path in paths}
    pages |= {feed: requests.get(site.twin(feed), timeout=30).text for feed in FEEDS[:3]}
    logs = {name: site.log(name) for name in (*site.processes, "prepare")}
    assert any("provider=" in text for text in logs.values())
    files = {path.name: path.read_bytes() for path in site.home.glob("*.sqlite3*")}
    assert files

    leaks = [
        leak for feed, said in frames.items() for leak in seen_in(f"frame {feed}", "\n".join(said)) if GIVEN not in feed
    ]
    for kind, found in (("admin", operator.pages), ("page", pages), ("log", logs), ("file", files)):
        leaks += [leak for name, data in found.items() for leak in seen_in(f"{kind} {name}", data)]
    leaks += [leak for key, data in stored(site) for leak in seen_in(f"store {key}", data)]
    assert not leaks


# --- exceptions -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("where", ["_body", "_exchange", "parse", "_check_address", "_request"])
def test_an_exception_that_nobody_foresaw_shows_no_key(
    where: str, settings: Any, monkeypatch: Any, upstreams: Any
) -> None:
    """Not in its text, and not in the page that DEBUG makes of it, with the local variables of every function."""
    settings.DEBUG = True
    settings.COINGECKO_BASE_URL, settings.COINGECKO_API_KEY, settings.COINGECKO_PLAN = (
        upstreams["coingecko"].url, GIVEN, "demo",
    )  # fmt: skip

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(client, where, fail)
    try:
        probing.probe(access.of(providers.get("coingecko")))
    except RuntimeError:
        reporter = ExceptionReporter(RequestFactory().get("/admin/"), *sys.exc_info())
    html, text = reporter.get_traceback_html(), reporter.get_traceback_text()
    assert "nobody foresaw this" in html
    assert not seen_in("html", html) + seen_in("text", text)


def test_a_secret_cannot_be_written_by_accident() -> None:
    secret = Secret(GIVEN)
    written = f"{secret} {secret!r} {[secret]} {SimpleNamespace(key=secret)} {vars(SimpleNamespace(key=secret))}"
    entry = access.Access(
        providers.get("coingecko"), providers.get("coingecko").plans[0], "https://x.test", secret, 0, 0
    )
    assert not seen_in("text", written + repr(entry) + str(entry))
    with pytest.raises(TypeError):
        json.dumps(secret)
