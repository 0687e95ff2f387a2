"""The feeds as tools, asked by the official package's own client."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest
from mcp import Client

from providers.datasets import LISTINGS
from spot.feeds import FEEDS
from tests.fastpath.gateway import Gateway, gateway, no_tracebacks, put, put_lists, run
from tests.spot.rows import USD, listings, market

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("redis")]
both_eras = pytest.mark.parametrize("mode", ["legacy", "auto"])
Story = Callable[[Gateway, str], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unseen(caplog):
    """No test may leave a traceback in the log."""
    yield
    assert no_tracebacks(caplog)


def told(story: Story, **facts: Any) -> None:
    """Tell a story that gets a gateway with a market, and the address of its tools."""

    async def whole() -> None:
        await put_lists()
        await put(USD, market(30), **facts)
        await put(LISTINGS, listings(4))
        async with gateway() as gate:
            await story(gate, f"http://127.0.0.1:{gate.fast}/mcp")

    run(whole())


def refused(result: Any) -> dict[str, Any]:
    """The refusal in a tool's answer."""
    assert result.is_error
    found: dict[str, Any] = json.loads(result.content[0].text)
    return found


@both_eras
def test_the_feeds_are_tools_whose_answers_keep_their_schemas(mode: str) -> None:
    async def story(_gate: Gateway, url: str) -> None:
        async with Client(url, mode=mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {*(channel.replace("-", "_") for channel in FEEDS), "find_coins", "sources"}
            assert tools["historical_ohlcv"].input_schema["required"] == ["coin_id"]
            assert tools["market"].input_schema["properties"]["page_size"]["default"] == 20
            # The client validates structured content against the tool's own schema.
            page = (await client.call_tool("market", {"page_size": 3})).structured_content
            assert [row[3] for row in page["data"]["rows"]] == [row["name"] for row in market(30)[:3]]
            assert page["freshness"].startswith("Live: ")
            assert page["freshness"].endswith("from Acme.")
            news = (await client.call_tool("listings", {"cex": "upbit"})).structured_content
            assert {row["exchange"] for row in news["data"]} == {"upbit"}
            found = (await client.call_tool("find_coins", {"search": "bitco"})).structured_content
            assert found["coins"][0]["id"] == "bitcoin"
            assert "data" in (await client.call_tool("sources", {})).structured_content

    told(story)


def test_answers_are_honest_about_age_and_simulation() -> None:
    async def story(_gate: Gateway, url: str) -> None:
        async with Client(url) as client:
            page = (await client.call_tool("market", {})).structured_content
            assert page["stale"]
            assert page["freshness"].startswith("STALE: 36")
            assert (len(page["data"]["rows"]), page["total"]) == (20, 30)
            assert "7d Chart" not in page["data"]["headers"]

    told(story, age_ms=3_600_000)


def test_a_refusal_says_what_is_allowed() -> None:
    async def story(_gate: Gateway, url: str) -> None:
        async with Client(url) as client:
            for tool, arguments, code, field in (
                ("market", {"page": 0}, "bad_value", "page"),
                ("market", {"nonsense": 1}, "unknown_field", "nonsense"),
                ("market", {"filters": {"price": {"above": 1}}}, "bad_value", "filters.price"),
                ("market", {"vs_currency": "xyz"}, "unknown_currency", "vs_currency"),
                ("historical_ohlcv", {}, "missing_field", "coin_id"),
                ("find_coins", {"search": 5}, "bad_value", "search"),
                ("sources", {"all": True}, "unknown_field", "all"),
                ("trade", {}, "bad_value", "name"),
            ):
                answer = refused(await client.call_tool(tool, arguments))
                assert (answer["code"], answer.get("field")) == (code, field)

    told(story)


def test_tools_stand_under_the_limits_of_the_client(settings: Any) -> None:
    settings.SPOT_REQUESTS_PER_MINUTE = 60

    async def story(_gate: Gateway, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            for _ in range(15):
                assert (await http.post(url, json={})).status_code != 429
            last = await http.post(url, json={})
        assert (last.status_code, last.json()["code"]) == (429, "too_many_requests")
        assert int(last.headers["retry-after"]) > 0

    told(story)


def test_strangers_and_large_bodies_are_refused(settings: Any) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["https://assistant.example"]

    async def story(gate: Gateway, url: str) -> None:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        headers = {"Accept": "application/json, text/event-stream"}

        async def post(**more: str) -> httpx2.Response:
            async with httpx2.AsyncClient() as http:
                return await http.post(url, json=message, headers=headers | more)

        assert (await post()).status_code == 200
        own = f"http://127.0.0.1:{gate.fast}"
        assert (await post(origin=own)).status_code == 200
        assert (await post(origin="https://assistant.example")).status_code == 200
        evil = await post(origin="https://evil.example")
        assert (evil.status_code, evil.json()["code"]) == (403, "forbidden_origin")
        assert (await post(host="evil.example")).status_code == 400
        async with httpx2.AsyncClient() as http:
            large = await http.post(url, content=b"x" * 70_000, headers=headers)
            assert (large.status_code, large.json()["code"]) == (413, "body_refused")
            assert (await http.get(url, headers=headers)).status_code == 405
            form = await http.post(url, content=b"{}", headers=headers | {"content-type": "text/plain"})
            assert (form.status_code, form.json()["field"]) == (400, "Content-Type")
            nonsense = await http.post(url, content=b"{", headers=headers | {"content-type": "application/json"})
            assert (nonsense.status_code, nonsense.json()["error"]["code"]) == (400, -32700)

    told(story)
