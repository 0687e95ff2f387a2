"""Public data over HTTP: shared with allowed origins, compressed, and counted by address."""

import gzip
import json

import brotli
import pytest

from spot.clients import limits
from spot.clients.plans import anonymous
from spot.web import http
from spot.web.encodings import SHELF
from tests.spot import asking
from tests.spot.asking import ADDRESS, Response
from tests.spot.rows import USD, market
from tests.spot.sockets import put, put_lists, put_market, run

PREFIX = "/tzone_apis/services/spot/"
ORIGIN = "https://partner.example"
pytestmark = pytest.mark.usefixtures("redis")


async def ask(path: str, method: str = "get", address: str = ADDRESS, **headers: str) -> Response:
    return await asking.ask(path, method, headers=headers, address=address)


@pytest.mark.parametrize("path", [f"{PREFIX}market", f"{PREFIX}nothing", "/status.json", "/currencies.json"])
def test_a_page_of_an_allowed_origin_may_ask_and_read(path, settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = [ORIGIN]

    async def story() -> None:
        await put_market(2)
        wish = {
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "if-none-match,content-type",
        }
        answer = await ask(path, "options", origin=ORIGIN, **wish)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer["Access-Control-Allow-Origin"] == ORIGIN
        assert "If-None-Match" in answer["Access-Control-Allow-Headers"]
        assert "GET" in answer["Access-Control-Allow-Methods"]
        assert int(answer["Access-Control-Max-Age"]) > 0
        read = await ask(path, origin=ORIGIN)
        assert read["Access-Control-Allow-Origin"] == ORIGIN
        exposed = read["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Retry-After", "RateLimit-Remaining", "X-Spot-Stale"} <= set(exposed)
        for method in ("options", "get"):
            other = await ask(path, method, origin="https://evil.example", **wish)
            assert not [name for name in other.headers if name.startswith("Access-Control")]
            assert "Origin" in other["Vary"]

    run(story())


def test_a_changed_header_that_is_no_public_path_is_not_shared(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = [ORIGIN]

    async def story() -> None:
        for method in ("options", "get"):
            answer = await ask("/healthz", method, origin=ORIGIN)
            assert not [name for name in answer.headers if name.startswith("Access-Control")]

    run(story())


def test_a_page_of_an_allowed_origin_may_read_every_refusal(settings, monkeypatch) -> None:
    settings.SPOT_ALLOWED_ORIGINS = [ORIGIN]
    settings.SPOT_REQUESTS_PER_ADDRESS = 1

    async def fails(_request: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setitem(http._PUBLIC, "/status.json", http.Handler(fails))

    async def story() -> None:
        await put_market(1)
        limits.answering.enter(anonymous(ADDRESS))
        answers = [await ask(f"{PREFIX}market", origin=ORIGIN)]
        allowed = await ask(f"{PREFIX}market", "options", origin=ORIGIN)
        limits.answering.leave(anonymous(ADDRESS))
        answers += [
            await ask(f"{PREFIX}market?page=0", origin=ORIGIN),
            await ask(f"{PREFIX}market?vs_currency=xyz", origin=ORIGIN),
            await ask(f"{PREFIX}nothing", origin=ORIGIN),
            await ask(f"{PREFIX}market", "post", origin=ORIGIN),
            await ask(f"{PREFIX}market", origin=ORIGIN, **{"content-length": "9"}),
            await ask(f"{PREFIX}ws/market", origin=ORIGIN),
            await ask("/status.json", origin=ORIGIN),
        ]
        assert [answer.status_code for answer in answers] == [429, 400, 404, 404, 405, 413, 426, 503]
        assert {answer["Access-Control-Allow-Origin"] for answer in (*answers, allowed)} == {ORIGIN}
        assert (allowed.status_code, len(limits.answering)) == (204, 0)

    run(story())


def test_an_answer_comes_in_the_coding_asked_for_and_its_tag_is_the_same() -> None:
    async def story() -> None:
        await put_market(30)
        plain = await ask(f"{PREFIX}market")
        for coding, undo in (("gzip", gzip.decompress), ("br", brotli.decompress)):
            packed = await ask(f"{PREFIX}market", **{"Accept-Encoding": coding})
            assert (packed["Content-Encoding"], packed["ETag"]) == (coding, plain["ETag"])
            assert undo(packed.content) == plain.content
            assert int(packed.get("Content-Length", len(packed.content))) == len(packed.content) < len(plain.content)
            assert {"Accept-Encoding", "Origin"} <= set(packed["Vary"].split(", "))
        assert plain.get("Content-Encoding") is None
        assert "Accept-Encoding" in plain["Vary"]
        again = await ask(f"{PREFIX}market", **{"Accept-Encoding": "br", "If-None-Match": plain["ETag"][2:]})
        assert (again.status_code, again.get("Content-Encoding"), again["ETag"]) == (304, None, plain["ETag"])
        assert "Accept-Encoding" in again["Vary"]
        text = await ask(f"{PREFIX}market?format=csv", **{"Accept-Encoding": "gzip"})
        assert gzip.decompress(text.content).startswith(b"Row,Logo,Symbol")

    run(story())


def test_equal_answers_are_compressed_once_and_changed_ones_anew(monkeypatch) -> None:
    packed = []
    monkeypatch.setitem(
        SHELF.encoded.__globals__["CODINGS"], "gzip", lambda body: packed.append(1) or gzip.compress(body)
    )

    async def story() -> None:
        await put_market(30)
        for _ in range(5):
            await ask(f"{PREFIX}market?search=", **{"Accept-Encoding": "gzip"})
        assert len(packed) == 1
        await put(USD, market(30, shift=1.0))
        while (await ask(f"{PREFIX}market", **{"Accept-Encoding": "gzip"})).status_code == 200 and len(packed) < 2:
            pass

    run(story())


def test_requests_of_one_address_are_bounded_by_what_they_cost(settings, monkeypatch) -> None:
    monkeypatch.setattr(limits.requests, "_clock", lambda: 1000.0)
    settings.SPOT_REQUESTS_PER_MINUTE = 60  # 15 at once

    async def story() -> None:
        await put_market(2)
        first = await ask(f"{PREFIX}market?search=never")
        assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("15", "11")  # a new question costs four
        for _ in range(11):
            assert (await ask(f"{PREFIX}market?search=never")).status_code == 200
        refused = await ask(f"{PREFIX}market?search=never")
        body = json.loads(refused.content)
        assert (refused.status_code, body["code"], body["retry"]) == (429, "too_many_requests", True)
        assert int(refused["Retry-After"]) >= 1
        assert refused["RateLimit-Remaining"] == "0"
        assert int(refused["RateLimit-Reset"]) >= 1
        assert refused["Cache-Control"] == "no-store"
        assert (await ask(f"{PREFIX}market?search=never", address="192.0.2.2")).status_code == 200
        assert (await ask("/status.json")).status_code == 429
        assert (await ask("/healthz")).status_code == 200

    run(story())


def test_who_walks_through_currencies_is_stopped_and_the_pinned_ones_stay(settings, monkeypatch) -> None:
    monkeypatch.setattr(limits.novelties, "_clock", lambda: 1000.0)
    settings.SPOT_CURRENCIES = 0
    settings.SPOT_NEW_DATASETS_PER_HOUR = 80  # a quarter at once: two currencies

    async def story() -> None:
        await put_lists(("usd", "eur", "gbp", "jpy"))
        for currency in ("usd", "eur", "gbp", "jpy"):
            await put(USD.__class__("markets", currency), market(2))
        statuses = [
            (await ask(f"{PREFIX}market?vs_currency={currency}")).status_code
            for currency in ("eur", "gbp", "jpy", "usd", "eur")
        ]
        assert statuses == [200, 200, 429, 200, 200]  # what has been paid for is free for a while
        refused = await ask(f"{PREFIX}top-losers?vs_currency=jpy")
        assert json.loads(refused.content)["code"] == "too_many_datasets"
        assert json.loads(refused.content)["retry"] is True
        assert int(refused["Retry-After"]) == limits.novelties.wait(anonymous("192.0.2.1"), 10) == 450
        assert (await ask(f"{PREFIX}market?vs_currency=jpy", address="192.0.2.2")).status_code == 200

    run(story())


def test_new_coins_of_one_tape_cost_as_much_as_the_call_for_them(settings, monkeypatch) -> None:
    monkeypatch.setattr(limits.novelties, "_clock", lambda: 1000.0)
    settings.SPOT_NEW_DATASETS_PER_HOUR = 80

    async def story() -> None:
        rare = [f"rare{number}" for number in range(11)]
        await put_lists(coins=("bitcoin", *rare))
        await put(USD, market(1))
        assert (await ask(f"{PREFIX}market")).status_code == 200
        settings.SPOT_FIRST_ANSWER_SECONDS = 0
        for coins, left in ((rare[:1], 19), (rare[:1], 19), (rare[1:], 17)):
            answer = await ask(f"{PREFIX}ticker-tape?coin_ids={','.join(['bitcoin', *coins])}")
            assert answer["X-Spot-Missing"] == ", ".join(coins)
            assert limits.novelties.balance(anonymous("192.0.2.1")).remaining == left

    run(story())


def test_what_does_not_exist_costs_nothing(settings) -> None:
    settings.SPOT_NEW_DATASETS_PER_HOUR = 80

    async def story() -> None:
        await put_market(2)
        for _ in range(5):
            assert (await ask(f"{PREFIX}market?vs_currency=xyz")).status_code == 404
        assert limits.novelties.balance(anonymous("192.0.2.1")).remaining == 20

    run(story())
