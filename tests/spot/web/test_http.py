"""HTTP beside Django: which requests are answered where, and what ends with its client."""

import asyncio
import unittest.mock

import pytest

from spot.clients.limits import answering
from spot.hub.hub import Hub
from spot.snapshots import now_ms
from spot.web.http import Http
from tests.spot import asking
from tests.spot.asking import ask
from tests.spot.rows import USD, market
from tests.spot.sockets import eventually, put, put_lists, put_market, run

MARKET = "/tzone_apis/services/spot/market"
pytestmark = pytest.mark.usefixtures("redis")


async def pages(scope, _receive, send) -> None:
    """Stands in for Django."""
    await send({"type": "http.response.start", "status": 299, "headers": [(b"Vary", b"Cookie")]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.mark.parametrize(
    ("path", "is_page"),
    [
        (MARKET, False),
        (f"{MARKET}/", False),
        (f"{MARKET}/more", False),
        ("/tzone_apis/services/spot", True),
        ("/status.json", False),
        ("/status.json.bak", True),
        ("/status/", True),
        ("/healthz", False),
        ("/healthz/", True),
        ("/logo/bitcoin", False),
        ("/logo/", True),
        ("/logo/bitcoin/", True),
        ("/", True),
    ],
)
def test_pages_are_djangos_and_all_else_is_not(path, is_page, monkeypatch) -> None:
    monkeypatch.setattr(asking.asgi.application.application.application_mapping["http"], "application", Http(pages))

    async def story() -> None:
        await put_market(1)
        assert ((await ask(path)).status_code == 299) is is_page

    run(story())


def test_what_django_answers_of_public_paths_is_shared_and_counted_too(monkeypatch, settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["https://partner.example"]
    monkeypatch.setattr(asking.asgi.application.application.application_mapping["http"], "application", Http(pages))

    async def story() -> None:
        for headers in ({"host": "elsewhere.example"}, {"host": ""}):
            answer = await ask(MARKET, headers={"origin": "https://partner.example", **headers})
            assert (answer.status_code, answer["Vary"]) == (299, "Cookie, Origin")
            assert answer["Access-Control-Allow-Origin"] == "https://partner.example"
            assert int(answer["RateLimit-Remaining"]) > 0

    run(story())


def test_a_request_that_waits_ends_with_its_client() -> None:
    async def story() -> None:
        await put_lists()
        gone, events = asyncio.Event(), []

        async def receive() -> dict[str, str]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(event: dict) -> None:
            events.append(event)

        request = asyncio.create_task(asking.asgi.application(asking.scope_of(MARKET), receive, send))
        async with asyncio.timeout(8):
            while not Hub.current().groups:  # noqa: ASYNC110  a state of the hub's, not an event
                await asyncio.sleep(0.01)
            gone.set()
            await request
        assert (events, len(answering), Hub.current().groups) == ([], 0, {})

    run(story())


def test_a_request_that_is_ended_by_others_does_not_pass_for_answered() -> None:
    async def story() -> None:
        await put_lists()
        request = asyncio.create_task(ask(MARKET))
        async with asyncio.timeout(8):
            while not Hub.current().groups:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert len(answering) == 0

    run(story())


def test_a_page_that_still_stands_is_given_again_and_wants_its_data(monkeypatch) -> None:
    joined = []
    join = Hub.join
    monkeypatch.setattr(Hub, "join", lambda hub, member, view: joined.append(view) or join(hub, member, view))

    async def story() -> None:
        await put_market(2)
        first = await ask(MARKET)
        topic = Hub.current().topics[USD.name]
        topic.gone["192.0.2.1"] = topic.left_at = 0
        again = await ask(MARKET)
        assert (again.content, again["ETag"], len(joined)) == (first.content, first["ETag"], 1)
        assert topic.gone["192.0.2.1"] == topic.left_at > 0
        await put(USD, market(2, shift=1.0))
        await eventually(
            lambda: topic.table is not None and topic.table.column("price")[0] == market(1, 1.0)[0]["price"]
        )
        assert (await ask(MARKET)).content != first.content
        topic.gone.clear()  # others needed the room: whoever asks must find room again
        before = len(joined)
        await ask(MARKET)
        assert len(joined) == before + 1

    run(story())


def test_a_page_that_has_gone_stale_is_not_given_as_fresh() -> None:
    async def story() -> None:
        await put_lists()
        await put(USD, market(2), interval=0.1, age_ms=0)
        first = await ask(MARKET)
        limit = Hub.current().topics[USD.name].facts.max_age_ms
        assert first["X-Spot-Stale"] == "false"
        later = now_ms() + 2 * limit
        with unittest.mock.patch("time.time_ns", return_value=later * 1_000_000):
            answer = await ask(MARKET, headers={"if-none-match": first["ETag"]})
        assert (answer.status_code, answer["X-Spot-Stale"]) == (200, "true")

    run(story())
