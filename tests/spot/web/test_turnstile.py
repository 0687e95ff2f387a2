"""What stands before Django: how many requests are served at a time, and how many of the admin's."""

import asyncio
import json

from spot.clients.limits import answering
from spot.clients.plans import anonymous
from spot.web import turnstile
from spot.web.turnstile import Turnstile


class Request:
    """One request, whose application answers when it is let go."""

    def __init__(self, path: str, address: str = "192.0.2.1", **headers: str) -> None:
        named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        client = anonymous(address)
        self.scope = {"type": "http", "method": "GET", "path": path, "spot.client": client, "headers": named}
        self.sent: list[dict] = []

    async def send(self, message: dict) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def code(self) -> str:
        return json.loads(self.sent[1]["body"])["code"]


async def opened(requests: list[Request], go: asyncio.Event, served: list[str]) -> list[asyncio.Task[None]]:
    """The requests under way, as far as they get."""

    async def application(scope, _receive, send) -> None:
        served.append(scope["path"])
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    front = Turnstile(application, lambda _path: False, lambda _method, _path: 0)
    tasks = [asyncio.create_task(front(request.scope, None, request.send)) for request in requests]
    for _ in range(10):
        await asyncio.sleep(0)
    return tasks


def test_requests_at_a_time_are_bounded_by_address_and_in_all(settings) -> None:
    settings.SPOT_REQUESTS_PER_ADDRESS, settings.SPOT_REQUESTS = 2, 3
    settings.SPOT_ALLOWED_ORIGINS = ["https://partner.example"]

    async def story() -> None:
        go, served = asyncio.Event(), []
        requests = [Request("/", origin="https://partner.example") for _ in range(3)]
        requests += [Request("/", "2001:db8::1"), Request("/", "2001:db8::2"), Request("/healthz")]
        tasks = await opened(requests, go, served)
        assert [request.status for request in requests] == [None, None, 429, None, 503, None]
        assert (requests[2].code, requests[4].code) == ("too_many_requests", "overloaded")
        assert int(requests[2].headers[b"retry-after"]) > 0
        assert requests[2].headers[b"access-control-allow-origin"] == b"https://partner.example"
        go.set()
        await asyncio.gather(*tasks)
        assert len(answering) == 0
        assert [request.status for request in requests] == [200, 200, 429, 200, 503, 200]

    asyncio.run(story())


def test_a_few_pages_of_the_admin_are_served_at_a_time(settings) -> None:
    settings.SPOT_REQUESTS_PER_ADDRESS = 0

    async def story() -> None:
        go, served = asyncio.Event(), []
        requests = [Request("/admin/login/") for _ in range(100)]
        tasks = await opened(requests, go, served)
        assert len(served) == turnstile._AT_A_TIME
        assert [request.status for request in requests].count(503) == 100 - turnstile._AT_A_TIME - turnstile._WAITING
        go.set()
        await asyncio.gather(*tasks)
        assert [request.status for request in requests].count(200) == turnstile._AT_A_TIME + turnstile._WAITING

    asyncio.run(story())
