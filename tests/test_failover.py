"""The failover drill, through real processes: the first provider dies and comes back, while clients look on."""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from typing import Any

import pytest
from redis import Redis
from websockets.sync.client import ClientConnection

from providers.breaker import Breaker
from providers.sandbox import Sandbox
from standins.coinmarketcap import Coinmarketcap
from tests.live import LiveSite, connect, get, wait_until

pytestmark = pytest.mark.flow
KEY = "0b6f8a52-5d1c-4b8e-9a0f-3c2d1e4f5a6b"
FIRST, SECOND = "coingecko", "coinmarketcap"


@pytest.fixture(scope="module")
def port() -> int:
    """Where the first provider listens, whenever it does."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def second() -> Iterator[Coinmarketcap]:
    with Coinmarketcap(key=KEY) as standin:
        standin.per_minute = 10_000
        yield standin


@pytest.fixture(scope="module")
def site(make_site: Callable[..., LiveSite], port: int, second: Coinmarketcap) -> Iterator[LiveSite]:
    """A site with two providers that knows who is who."""
    with Sandbox(seed=7, port=port):
        site = make_site(
            SPOT_DEMO="off",
            COINGECKO_BASE_URL=f"http://127.0.0.1:{port}/api/v3",
            COINMARKETCAP_BASE_URL=second.url,
            COINMARKETCAP_API_KEY=KEY,
            COINMARKETCAP_PLAN="startup",
            **{
                f"{name}_CALLS_PER_{per}": "0" for name in ("COINGECKO", "COINMARKETCAP") for per in ("MINUTE", "MONTH")
            },
        )
        wait_until(lambda: "assets mapped" in site.log("worker"), what="the map of ids")
    yield site
    site.close()


class Watch:
    """An envelope client that keeps every frame and when it came."""

    def __init__(self, client: ClientConnection) -> None:
        self._client = client
        self.frames: list[tuple[float, dict[str, Any]]] = []

    def until(self, condition: Callable[[dict[str, Any]], bool], most: int = 200) -> dict[str, Any]:
        """The first frame from now on that the condition holds for."""
        for _ in range(most):
            frame = json.loads(self._client.recv(timeout=60))
            self.frames.append((time.monotonic(), frame))
            if condition(frame):
                return frame
        raise AssertionError(f"not among {most} frames")

    def served_by(self, source: str) -> dict[str, Any]:
        return self.until(lambda frame: frame["type"] == "snapshot" and frame["source"] == source)

    @property
    def snapshots(self) -> list[dict[str, Any]]:
        return [frame for _, frame in self.frames if frame["type"] == "snapshot"]

    @property
    def sources(self) -> list[str]:
        """Who served, each run of snapshots as one."""
        return [source for source, _ in groupby(frame["source"] for frame in self.snapshots)]

    @property
    def notices(self) -> list[str]:
        return [frame["message"] for _, frame in self.frames if frame["type"] == "notice"]

    def at(self, frame: dict[str, Any]) -> float:
        return next(at for at, one in self.frames if one is frame)


def candles(site: LiveSite, coin: str) -> dict[str, Any]:
    status, answer = get(site.twin(f"historical-ohlcv?coin_id={coin}&days=7&envelope=1"))
    assert status == 200, answer
    assert answer["data"]
    return dict(answer)


def test_the_first_dies_the_second_serves_and_the_first_comes_back_for_good(
    site: LiveSite, port: int, second: Coinmarketcap, capsys: pytest.CaptureFixture[str]
) -> None:
    with connect(site.socket("market?envelope=1&page_size=5"), max_size=None) as client:
        watch = Watch(client)
        with Sandbox(seed=7, port=port):
            watch.served_by(FIRST)
            assert candles(site, "bitcoin")["source"] == FIRST
        killed, before = time.monotonic(), len(watch.frames)
        taken = watch.served_by(SECOND)
        assert candles(site, "ethereum")["source"] == SECOND
        told = next(frame for _, frame in watch.frames if frame["type"] == "notice")
        late = [frame for _, frame in watch.frames[before:] if frame.get("source") == FIRST]
        for _ in range(4):  # the first's breaker opens meanwhile
            watch.served_by(SECOND)
        with Sandbox(seed=7, port=port) as first:
            revived = time.monotonic()
            back = watch.served_by(FIRST)
            asked = len([one for one in first.requests if one.path == "/coins/markets"])
            for _ in range(6):
                watch.until(lambda frame: frame["type"] == "snapshot")
            assert candles(site, "solana")["source"] == FIRST
    assert all(frame["data"]["rows"] for frame in watch.snapshots), "an answer was empty"
    assert len(late) <= 2, "more than two polls were needed"
    assert watch.sources == [FIRST, SECOND, FIRST], "it flapped"
    assert watch.at(told) <= watch.at(taken), "the data came before the notice"
    assert [("CoinGecko" in said, "CoinMarketCap" in said) for said in watch.notices] == [(True, True)] * 2
    assert taken["source_label"] == "CoinMarketCap"
    assert asked >= 4, "two trials of two pages each came before it served again"
    with capsys.disabled():
        sys.stdout.write(
            f"\nfailover drill, a poll a second: the second served {watch.at(taken) - killed:.1f} s after\n"
            f"the first was gone; frames of the first in between: {len(late)}; the first was back\n"
            f"{watch.at(back) - revived:.1f} s after it answered again\n"
        )


def test_while_both_are_gone_the_last_values_stay_with_their_age_and_each_ones_words(
    site: LiveSite, port: int, second: Coinmarketcap
) -> None:
    breaker = Breaker(Redis.from_url(site.redis_url))
    with connect(site.socket("market?envelope=1&page_size=5"), max_size=None) as client:
        watch = Watch(client)
        with Sandbox(seed=7, port=port):
            breaker.reset(FIRST)  # as an operator would who knows that it is well again
            watch.served_by(FIRST)
        second.faults.add("/v3/cryptocurrency", "status", status=503)
        try:
            told = watch.until(
                lambda frame: frame["type"] == "status" and frame["state"] == "stale" and frame["reason"]
            )
        finally:
            second.faults.clear()
        assert watch.snapshots[-1]["data"]["rows"]
        assert told["age_ms"] > watch.snapshots[-1]["max_age_ms"]
        assert all(name in told["reason"] for name in ("CoinGecko", "CoinMarketCap")), told["reason"]
        with Sandbox(seed=7, port=port):
            breaker.reset(FIRST)
            fresh = watch.until(lambda frame: frame["type"] == "snapshot" and not frame["stale"])
        assert fresh["data"]["rows"]
