"""Bodies of requests: read where a handler reads them, within bounds; elsewhere refused unread."""

import asyncio

import pytest

from spot.codes import Refused
from spot.dialects.own import PREFIX
from spot.web import bodies, http
from spot.web.answers import Request, Response
from spot.web.bodies import DisconnectedError, read_body
from tests.spot.asking import ask

PATH = f"/{PREFIX}/echo"
PARTNER = "https://partner.example"


async def echo(request: Request) -> Response:
    return Response(200, [(b"Content-Type", b"text/plain")], request.body)


@pytest.fixture(autouse=True)
def handler(monkeypatch) -> None:
    monkeypatch.setitem(http._PUBLIC, PATH, http.Handler(echo, ("POST",), body_bytes=10))


def test_a_handler_is_given_the_body_it_reads() -> None:
    answer = asyncio.run(ask(PATH, "POST", body=b"0123456789"))
    assert (answer.status_code, answer.content) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("path", "method", "body", "headers", "message"),
    [
        (PATH, "POST", b"01234567890", {}, "The body may have at most 10 bytes."),
        (PATH, "POST", b"01234567890", {"content-length": "5"}, "The body may have at most 10 bytes."),
        (PATH, "POST", b"x", {"content-length": "ten"}, "The body may have at most 10 bytes."),
        (PATH, "GET", b"x", {}, "This request may have no body: send its parameters in the query string."),
        (
            f"/{PREFIX}/market",
            "POST",
            b"x",
            {},
            "This request may have no body: send its parameters in the query string.",
        ),
    ],
)
def test_other_bodies_are_refused(path, method, body, headers, message) -> None:
    answer = asyncio.run(ask(path, method, body=body, headers=headers))
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (413, "body_refused", message)


def test_a_body_that_does_not_come_is_not_awaited_for_ever(monkeypatch) -> None:
    monkeypatch.setattr(bodies, "_SECONDS", 0.01)

    async def story() -> None:
        with pytest.raises(Refused, match="did not come within"):
            await read_body(asyncio.Future, 10)

    asyncio.run(story())


def test_a_client_that_goes_away_ends_the_reading() -> None:
    async def receive() -> dict:
        return {"type": "http.disconnect"}

    with pytest.raises(DisconnectedError):
        asyncio.run(read_body(receive, 10))


def test_a_browser_is_told_the_methods_of_the_path(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = [PARTNER]
    answer = asyncio.run(ask(PATH, "OPTIONS", headers={"origin": PARTNER}))
    assert (answer.status_code, answer["Access-Control-Allow-Methods"]) == (204, "POST, OPTIONS")
    assert asyncio.run(ask(PATH, "GET"))["Allow"] == "POST"
