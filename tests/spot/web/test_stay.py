"""The line of the log that each connection leaves."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from spot.clients.meter import Meter
from spot.clients.plans import Client, default_plan
from spot.codes import Close
from spot.web.stay import Stay
from tests.spot.sockets import Socket, put_market, run

pytestmark = pytest.mark.usefixtures("redis")


def closed(lines: list[Any]) -> list[dict[str, Any]]:
    return [dict(line) for line in lines if line["event"] == "connection closed"]


def test_a_socket_leaves_one_line() -> None:
    async def story() -> None:
        await put_market()
        with capture_logs() as lines:
            async with Socket("market", "envelope=1&search=s3cret") as socket:
                first = await socket.frame()
                await socket.send({"action": "ping"})
                await socket.frame()
            (line,) = closed(lines)
        assert first
        assert (line["dialect"], line["path"]) == ("envelope", "tzone_apis/services/spot/ws/market")
        assert (line["code"], line["reason"], line["plan"]) == (1000, "", "anonymous")
        assert line["frames"] >= 2
        assert line["bytes"] > 100
        assert line["received"] == 1
        assert line["seconds"] > 0
        assert not {"address", "error", "key"} & line.keys()
        assert "s3cret" not in str(line)

    run(story())


def test_a_refused_socket_says_why_and_whom() -> None:
    async def story() -> None:
        await put_market()
        with capture_logs() as lines:
            async with Socket("nothing-here") as socket:
                assert await socket.closed() == 4404
            (line,) = closed(lines)
        assert (line["path"], line["code"], line["error"]) == ("unknown", 4404, "unknown_feed")
        assert line["address"] == "192.0.2.1"

    run(story())


def test_the_first_reason_counts_and_a_key_is_named_by_its_id() -> None:
    class Connected:
        who = Client("key:abc", "192.0.2.1", default_plan(), key="abc", digest=b"never")
        meter, protocol, speaks = Meter(), "", "plain"

    stay = Stay()
    stay.end(int(Close.SLOW_READER))
    stay.end(1006, "later")
    with capture_logs() as lines:
        stay.log(Connected(), "x")
    (line,) = closed(lines)
    assert (line["code"], line["reason"], line["error"], line["key"]) == (4508, "", "slow_reader", "abc")
    assert "never" not in str(line)
