"""Doors with the key of a client: what it opens, what it is limited to, and what a wrong one is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest

from providers.datasets import LISTINGS
from spot.clients.desk import Desk
from spot.dialects.own import PREFIX
from tests.fastpath.client import Client
from tests.fastpath.events import Events
from tests.fastpath.gateway import Gateway, gateway, no_tracebacks, put, put_lists, put_market, run
from tests.spot import keyed
from tests.spot.rows import listings

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("redis")]
ONLY_MARKET = {"channels": frozenset({"market"})}


@pytest.fixture(autouse=True)
def unread(monkeypatch: Any) -> None:
    """The book is as the test fills it."""
    monkeypatch.setattr("spot.clients.records.read_if_changed", lambda version: (version, None))


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog: Any):
    """No test may leave a traceback in the log."""
    yield
    assert no_tracebacks(caplog)


def told(story: Callable[[Gateway], Coroutine[Any, Any, None]]) -> None:
    """Tell a story that gets a gateway with a market and announcements."""

    async def whole() -> None:
        await put_lists()
        await put_market(5)
        await put(LISTINGS, listings(4))
        try:
            async with gateway() as gate:
                await story(gate)
        finally:
            await Desk.current().aclose()

    run(whole())


async def listen(gate: Gateway, target: str, *headers: str) -> Events:
    made = await Events.listen(gate.fast, target, *headers)
    gate.clients.append(made)
    return made


def test_a_key_and_a_ticket_open_streams_of_events_under_the_plan() -> None:
    key, _facts = keyed.given(keyed.plan_with(connections=2, **ONLY_MARKET))

    async def story(gate: Gateway) -> None:
        own = await listen(gate, "market", f"X-API-Key: {key}")
        await own.until("snapshot")
        forbidden = await listen(gate, "listings", f"X-API-Key: {key}")
        assert (forbidden.status, (await forbidden.body())["code"]) == (403, "forbidden_channel")
        async with httpx2.AsyncClient() as http:
            address = f"http://127.0.0.1:{gate.fast}/{PREFIX}/ticket"
            ticket = (await http.post(address, headers={"X-API-Key": key})).json()["ticket"]
        paid = await listen(gate, f"market?page_size=1&ticket={ticket}")
        assert (await paid.until("snapshot")).data["params"]["page_size"] == 1
        for target, headers, status, code in (
            (f"market?ticket={ticket}", (), 401, "bad_ticket"),  # it has been used
            ("market", (f"Authorization: Bearer {key[:-1]}",), 401, "bad_key"),
            ("market", (f"Authorization: Bearer {key}",), 429, "too_many_connections"),
        ):
            refused = await listen(gate, target, *headers)
            assert (refused.status, (await refused.body())["code"]) == (status, code)

    told(story)


def test_tools_are_used_under_the_plan_of_a_key() -> None:
    key, _facts = keyed.given(keyed.plan_with(**ONLY_MARKET))

    async def story(gate: Gateway) -> None:
        async with httpx2.AsyncClient() as http:

            async def use(tool: str, shown: str) -> Any:
                message = {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "tools/call",
                    "params": {"name": tool, "arguments": {"page_size": 2}},
                }
                accept = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {shown}"}
                return await http.post(f"http://127.0.0.1:{gate.fast}/mcp", json=message, headers=accept)

            page = (await use("market", key)).json()["result"]["structuredContent"]
            assert (len(page["data"]["rows"]), page["total"]) == (2, 5)
            lacking = (await use("listings", key)).json()["result"]
            assert (lacking["isError"], json.loads(lacking["content"][0]["text"])["code"]) == (
                True,
                "forbidden_channel",
            )
            wrong = await use("market", key[:-1])
            assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_key")
            assert wrong.headers["www-authenticate"].startswith("Bearer")

    told(story)


def test_a_plan_slows_the_pages_of_a_socket_and_the_newest_is_sent() -> None:
    slow, fast = (keyed.made(keyed.plan_with(messages_out_per_second=rate)) for rate in (1, 0))
    keyed.fill(slow[1], fast[1])

    async def story(gate: Gateway) -> None:
        clients, begun = list[Client](), time.monotonic()
        for key, _facts in (slow, fast):
            clients.append(await gate.client("market?envelope=1", headers=(f"X-API-Key: {key}",)))
        limited, free = clients
        for shift in range(7):
            newest = await put_market(5, float(shift))
            await gate.settled(newest)
            while json.loads(await free.message()).get("version") != newest:
                pass
        pages = 0
        page: dict[str, Any] = {}
        while page.get("version") != newest:
            page = json.loads(await limited.message())
            pages += page["type"] == "snapshot"
        assert pages <= 1 + time.monotonic() - begun, "more than one page a second"

    told(story)
