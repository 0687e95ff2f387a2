"""The stream and other vendors' sockets on both servers: finished frames and plain sends, and what is said when the
process ends."""

import asyncio
import json
from contextlib import ExitStack

import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from spot.dialects.own import PREFIX
from spot.snapshots import nudges
from tests.served import serving
from tests.spot import contract
from tests.spot.rows import ONCHAIN_TOPIC, USD, events, market
from tests.spot.sockets import put, put_market

pytestmark = [pytest.mark.flow]
_CHECK = contract.frames_of(f"{PREFIX}/ws/stream")


def heard(client: ClientConnection, kind: str, tag: object = None) -> dict:
    """The next frame of that type, with that id."""
    while True:
        text = client.recv(8)
        _CHECK(text)
        frame = json.loads(text)
        if frame["type"] == kind and frame.get("id") == tag:
            return frame


def say(client: ClientConnection, **message: object) -> None:
    client.send(json.dumps(message))


@pytest.mark.parametrize("server", ["uvicorn", "uvicorn plain", "daphne"])
@pytest.mark.parametrize("compression", ["deflate", None])
def test_many_subscriptions_on_one_connection_and_a_notice_before_the_end(server, compression, redis_url) -> None:
    if compression and server != "uvicorn":
        pytest.skip("only the first takes finished frames, which are deflated here")
    with Redis.from_url(redis_url) as store:
        store.flushall()
    asyncio.run(put_market(10))
    with ExitStack() as clients:
        with serving("tests.spot.dialects.trial_site", *server.split()) as port:
            url = f"ws://127.0.0.1:{port}/{PREFIX}/ws/stream"
            client, other = (clients.enter_context(connect(url, compression=compression)) for _ in range(2))
            converse(client, other)
            speak_as_the_vendors_do(f"ws://127.0.0.1:{port}/compat/", compression)
        for socket in (client, other):  # the process has been told to end
            assert heard(socket, "drain")["code"] == 1012
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(8)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012


def converse(client: ClientConnection, other: ClientConnection) -> None:
    for socket, tag in ((client, 1), (other, "x")):
        heard(socket, "welcome")
        say(socket, id=tag, method="subscribe", channel="market")
        assert heard(socket, "ack", tag)["sub_count"] == 1
    assert heard(other, "snapshot", "x")["data"] == heard(client, "snapshot", 1)["data"]
    say(client, id=2, method="subscribe", channel="price", params={"coin_ids": ["bitcoin", "ethereum"]})
    assert {heard(client, "price", 2)["coin_id"] for _ in range(2)} == {"bitcoin", "ethereum"}
    asyncio.run(put(USD, market(10, 1.0)))
    newest = market(10, 1.0)[0]["price"]
    assert heard(other, "snapshot", "x")["data"]["rows"][0][4] == newest
    assert heard(client, "snapshot", 1)["data"]["rows"][0][4] == newest
    say(client, id=3, method="unsubscribe", all=True)
    assert heard(client, "ack", 3)["left"] == 3


def speak_as_the_vendors_do(url: str, compression: str | None) -> None:
    """Two coins by CoinMarketCap's protocol and by CoinGecko's, the events of one address, a key."""

    def open_at(path: str) -> ClientConnection:
        return connect(url + path, compression=compression)  # type: ignore[arg-type]

    def next_frame(client: ClientConnection) -> dict:
        text = client.recv(8)
        check[client](text)
        return json.loads(text)

    with open_at("coinmarketcap/v1") as latest, open_at("coingecko/stream/v1") as cable:
        check = {
            latest: contract.frames_of("/compat/coinmarketcap/v1"),
            cable: contract.frames_of("/compat/coingecko/stream/v1"),
        }
        assert next_frame(latest)["type"] == next_frame(cable)["type"] == "welcome"
        say(latest, id=1, method="subscribe", channel="market@crypto_latest_price", params={"crypto_ids": [1, 1027]})
        assert next_frame(latest)["sub_count"] == 2
        prices = {frame["data"]["cid"]: frame["data"]["p"] for frame in (next_frame(latest) for _ in range(2))}
        assert prices == {1: market(2, 1.0)[0]["price"], 1027: market(2, 1.0)[1]["price"]}
        identifier = json.dumps({"channel": "CGSimplePrice"})
        data = json.dumps({"action": "set_tokens", "coin_id": ["bitcoin"]})
        say(cable, command="message", identifier=identifier, data=data)
        assert next_frame(cable)["code"] == 2000
        assert next_frame(cable)["p"] == prices[1]
        params = {"platform_id": 14, "address": ["0xAb5801a7"], "interval": "1m"}
        asyncio.run(put(ONCHAIN_TOPIC, events(3)))
        say(latest, id=2, method="subscribe", channel="onchain@kline", params=params)
        assert next_frame(latest)["sub_count"] == 3
        asyncio.run(put(ONCHAIN_TOPIC, [*newer(2), *events(3)]))
        asyncio.run(nudges.tell(ONCHAIN_TOPIC.name))
        assert [next_frame(latest)["data"]["c"] for _ in range(2)] == [90.5, 91.5]
    with open_at("coinmarketcap/v1?CMC_PRO_API_KEY=nosuch") as keyed:  # these processes have no database of keys
        assert json.loads(keyed.recv(8))["status"]["error_code"] == "5001"
        with pytest.raises(ConnectionClosed) as closed:
            keyed.recv(8)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def newer(count: int) -> list[dict]:
    """On-chain events that are newer than those of the rows, newest first."""
    return [{"id": f"n{n}", "at": 1_720_000_100_000 + n, "data": {"c": 90.5 + n}} for n in reversed(range(count))]
