"""The stream on both servers: finished frames and plain sends, and what it says when the process ends."""

import asyncio
import json
from contextlib import ExitStack

import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from spot.dialects.own import PREFIX
from tests.served import serving
from tests.spot import contract
from tests.spot.rows import USD, market
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
