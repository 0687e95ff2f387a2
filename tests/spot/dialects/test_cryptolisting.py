"""The protocol of cryptolisting.ws as its programs meet it: welcome, announcements, heartbeats, limits, closes."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from providers.datasets import LISTINGS
from spot import snapshots
from spot.clients.desk import judged
from spot.dialects.cryptolisting import CryptoListing
from spot.hub.hub import Hub
from spot.snapshots import Trouble, nudges
from tests.spot import keyed
from tests.spot.asking import ask
from tests.spot.dialects.foreign import any_message, survives
from tests.spot.rows import listings
from tests.spot.sockets import Socket, eventually, put, put_market, run

PATH = "/compat/cryptolisting"
KINDS = {"welcome", "heartbeat", "announcement", "test_announcement", "error"}
pytestmark = pytest.mark.usefixtures("redis")


async def publish(rows: list[dict[str, Any]], **facts: Any) -> None:
    """Store announcements, and wait until the hub has them, if anybody listens."""
    version = await put(LISTINGS, rows, 600, **facts)
    await nudges.tell(LISTINGS.name)
    topic = Hub.current().topics.get(LISTINGS.name)
    if topic is not None and topic.groups:
        await eventually(lambda: topic.version >= version)


def row(number: int, **fields: Any) -> dict[str, Any]:
    return listings(1)[0] | {"id": f"new{number}"} | fields


def test_announcements_are_those_of_the_documents_and_none_is_old() -> None:
    async def story() -> None:
        await put_market(1)  # without one the demo goes on
        old = listings(3)
        await publish(old)
        async with Socket("", path=PATH) as socket:
            assert await socket.frame() == {
                "type": "welcome",
                "tier": "premium",
                "maxConnections": 200,
                "allowedCex": "*",
                "expiresInSecs": None,
            }
            assert isinstance(socket.frames[0], bytes)
            assert await socket.silent()
            new = [
                row(2, title="Upbit lists NEW", exchange="upbit", tickers=["NEW", "NEWER"], published_at=None),
                row(1, detected_at=1_750_000_000_123, published_at=1_750_000_000_000, type="spot_delisting"),
            ]
            await publish([*new, *old])
            first, second = await socket.frame(), await socket.frame()
            now = snapshots.now_ms() * 1000
            assert 0 <= now - first.pop("dispatchTimestampUs") < 10_000_000
            assert first == {
                "type": "announcement",
                "title": "Binance announces BTC",
                "ticker": "BTC,T0",
                "publisher": "binance",
                "listingType": "spot_delisting",
                "publishTimestampUs": 1_750_000_000_000_000,
                "detectedTimestampUs": 1_750_000_000_123_000,
                "abnormalDetectionLatency": False,
            }
            assert (second["publisher"], second["ticker"]) == ("upbit", "NEW,NEWER")
            assert "publishTimestampUs" not in second
            assert await socket.silent()

    run(story())


def test_exchanges_are_chosen_and_frames_may_be_text() -> None:
    async def story() -> None:
        await put_market(1)
        await publish([])
        async with Socket("", "cex=Upbit,%20bithumb&frames=text&other=1", path=PATH) as socket:
            assert (await socket.frame())["allowedCex"] == ["bithumb", "upbit"]
            assert isinstance(socket.frames[0], str)
            await publish([row(1, exchange="binance")])
            await publish([row(2, exchange="upbit"), row(1, exchange="binance")])
            assert (await socket.frame())["publisher"] == "upbit"
        async with Socket("", f"cex={'x' * 41}", path=PATH) as socket:
            await socket.frame()
            await publish([row(3)])
            assert await socket.silent()  # an exchange that cannot be is not all exchanges

    run(story())


def test_simulated_announcements_say_so_and_an_absent_source_is_told() -> None:
    async def story() -> None:
        async with Socket("", path=PATH) as socket:
            await socket.frame()
            public = "Nobody brings announcements here."
            trouble = Trouble("unavailable", "no key", snapshots.now_ms(), None, permanent=True, public=public)
            await asyncio.to_thread(snapshots.set_trouble, LISTINGS, trouble)
            await nudges.tell(LISTINGS.name)
            error = await socket.frame()
            assert (error["type"], error["code"], error["message"]) == ("error", "source_unavailable", public)
            await publish([], simulated=True)
            await publish([row(1)], simulated=True)
            assert (await socket.frame())["simulated"]

    run(story())


def test_heart_beats(monkeypatch) -> None:
    monkeypatch.setattr(CryptoListing, "heartbeat_seconds", 0.05)

    async def story() -> None:
        async with Socket("", path=PATH) as socket:
            await socket.frame()
            beat = await socket.frame()
            assert list(beat) == ["type", "timestampNs", "timeUtc"]
            assert beat["type"] == "heartbeat"
            assert abs(beat["timestampNs"] - snapshots.now_ms() * 1_000_000) < 10**10
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", beat["timeUtc"])

    run(story())


def test_intervals_are_those_of_the_documents() -> None:
    assert (CryptoListing.heartbeat_seconds, CryptoListing.ping_seconds, CryptoListing.pong_seconds) == (30, 15, 30)


def test_messages_are_ignored_but_for_the_test_and_limited() -> None:
    async def story() -> None:
        async with Socket("", path=PATH) as socket:
            await socket.frame()
            for message in ("hello", "[]", '{"type": "subscribe"}', "{"):
                await socket.send(message)
            assert await socket.silent(0.1)
            await socket.send({"type": "test"})
            announcement = await socket.frame()
            assert (announcement["type"], announcement["ticker"]) == ("test_announcement", "DUMMYTOKEN")
            for _ in range(25):
                await socket.send("x")
            assert await socket.silent(0.1)
            await socket.send_bytes(b"the thirty-first")
            closed = await socket.close()
            assert (closed.code, closed.reason) == (1008, "rate_limit_exceeded")
        async with Socket("", path=PATH) as socket:
            await socket.send("é" * 513)
            closed = await socket.close()
            assert (closed.code, closed.reason) == (1009, "frame_too_large")

    run(story())


def test_handshake_is_refused_by_status() -> None:
    key, known = keyed.made(keyed.plan_with(connections=1))

    async def refused(status: int, word: str, **headers: str) -> None:
        async with Socket("", path=PATH, headers=headers, denying=True) as socket:
            assert (socket.status, json.loads(await socket.body())["error"]) == (status, word)

    async def story() -> None:
        keyed.fill(known, is_open=False)
        await refused(401, "missing_api_key")
        await refused(403, "invalid_api_key", **{"x-api-key": "dsk_wrong"})
        async with Socket("", path=PATH, headers={"X-API-Key".lower(): key}) as socket:
            assert (await socket.frame())["maxConnections"] == 1
            await refused(429, "per_ip_concurrent_limit_reached", **{"x-api-key": key})
        for headers, status, word in (({}, 401, "missing_api_key"), ({"x-api-key": key}, 400, "upgrade_required")):
            plain = await ask(PATH, headers=headers)
            assert (plain.status_code, json.loads(plain.content)["error"]) == (status, word)

    run(story())


@pytest.mark.parametrize(
    ("facts", "reason"),
    [({"expires": 1}, "key_expired"), ({"revoked": True}, "key_invalidated"), (None, "key_invalidated")],
)
def test_key_that_ends_closes_with_its_word(facts: dict[str, Any] | None, reason: str) -> None:
    key, known = keyed.made(expires=snapshots.now_ms() + 3_600_000)

    async def story() -> None:
        keyed.fill(known)
        async with Socket("", path=PATH, headers={"x-api-key": key}) as socket:
            assert 3590 <= (await socket.frame())["expiresInSecs"] <= 3600
            keyed.fill(*([replace(known, **facts)] if facts else []))
            for connection, refused in judged():
                connection.dismiss(refused)
            closed = await socket.close()
            assert (closed.code, closed.reason) == (1000, reason)

    run(story())


def test_any_message_is_survived(request) -> None:
    messages = any_message("type", type=["test", "subscribe"]) | st.integers(1000, 1100).map(lambda size: "x" * size)
    survives(request, PATH, messages, lambda frame: json.loads(frame)["type"] in KINDS)
