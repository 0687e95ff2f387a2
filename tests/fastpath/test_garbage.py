"""What ended connections leave to the garbage collector, which looks at old objects hardly ever: nothing."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from tests.fastpath.gateway import Gateway, gateway, put_lists, put_market, run

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("redis")]
FEEDS = "/tzone_apis/services/spot"
#: More often than anything that happens besides, such as a connection to Redis.
TIMES = 40


async def _http(gate: Gateway, path: str, *headers: str, until: bytes = b"") -> None:
    """One connection with one request; with `until`, ended by the client after those bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.fast)
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, *([] if until else ["Connection: close"]), "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await (reader.readuntil(until) if until else reader.read())
    assert b" 200 " in answer.partition(b"\r\n")[0], answer[:200]
    writer.close()
    await writer.wait_closed()


async def _twin(gate: Gateway) -> None:
    await _http(gate, f"{FEEDS}/market?page_size=3")


async def _csv(gate: Gateway) -> None:
    await _http(gate, f"{FEEDS}/market?page_size=3&format=csv", "Accept-Encoding: gzip")


async def _health(gate: Gateway) -> None:
    await _http(gate, "/healthz")


async def _prices(gate: Gateway) -> None:
    await _http(gate, "/compat/coingecko/api/v3/simple/price?ids=coin-1&vs_currencies=usd")


async def _events(gate: Gateway) -> None:
    await _http(gate, f"{FEEDS}/sse/market?page_size=3", until=b"snapshot")


async def _socket(gate: Gateway) -> None:
    client = await gate.client("market?envelope=1&page_size=3", "permessage-deflate")
    await client.message()
    await client.send('{"search":"b"}')
    await client.message()
    client.close()


async def _stream(gate: Gateway) -> None:
    client = await gate.client("stream")
    for name in ("market", "top-gainers"):
        await client.send(f'{{"id":1,"method":"subscribe","channel":"{name}"}}')
        await client.message()
    await client.send('{"id":2,"method":"unsubscribe","all":true}')
    await client.message()
    client.close()


@pytest.mark.parametrize("visit", [_twin, _csv, _health, _prices, _events, _socket, _stream])
def test_an_ended_connection_leaves_nothing_to_the_garbage_collector(
    visit: Callable[[Gateway], Awaitable[None]],
) -> None:
    async def story() -> None:
        await put_lists()
        await put_market(5)
        async with gateway() as gate:
            await visit(gate)
            await gate.forget()
            gc.collect()
            gc.disable()
            try:
                for _ in range(TIMES):
                    await visit(gate)
                await gate.forget()
                await asyncio.sleep(0)
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                left = Counter(type(one).__qualname__ for one in gc.garbage)
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
        often = {name: count for name, count in left.items() if count >= TIMES}
        assert not often, often

    run(story())
