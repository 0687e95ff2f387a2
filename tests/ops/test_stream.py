"""`manage.py stream`, and what it is for: prices between two polls, from stand-ins to a client's socket."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from redis import Redis
from websockets.sync.client import ClientConnection

import standins
from providers.streams import stream_state
from spot.management.commands import up
from spot.management.commands.up import manage
from spot.processes.pulse import Pulse
from tests.live import ROOT, LiveSite, connect, inherited, wait_until

KEY = "canary-stream-0a1b2c3d4e5f"


def test_a_name_that_no_stream_has_is_refused_with_those_that_have() -> None:
    with pytest.raises(CommandError, match=r"coingecko, nobody: no provider with a stream\. There are: .*tokenmetrics"):
        call_command("stream", "coingecko", "nobody")


def test_it_is_a_part_of_everything_with_or_without_a_key() -> None:
    assert "stream" in up.PARTS
    made = up.program("stream", None, None)
    assert made is not None
    assert list(made.argv) == manage("stream")


def test_a_part_that_shows_no_sign_of_life_is_started_again_and_then_given_more_time() -> None:
    class Supervised:
        restarted: ClassVar[list[str]] = []
        ages: ClassVar[dict[str, float]] = {"stream": 61.0, "worker": 59.0, "beat": 61.0}

        def age(self, name: str) -> float:
            return self.ages[name]

        def restart(self, name: str, reason: str) -> None:
            self.restarted.append(name)

    class Silent(Pulse):
        def silent_seconds(self) -> float:
            return 1000.0

    value: list[int | None] = [None]
    pulses = {"stream": Silent(lambda: value[0], 3600.0), "worker": Silent(lambda: None, 3600.0)}
    pulses["beat"] = pulses["worker"]
    up.watch(Supervised(), pulses)  # type: ignore[arg-type]
    assert Supervised.restarted == ["stream", "beat"]
    Supervised.ages |= {"stream": 119.0, "worker": 119.0}
    up.watch(Supervised(), pulses)  # type: ignore[arg-type]
    assert Supervised.restarted == ["stream", "beat"]
    Supervised.ages["worker"] = 121.0
    up.watch(Supervised(), pulses)  # type: ignore[arg-type]
    assert Supervised.restarted == ["stream", "beat", "worker"]
    value[0] = 1
    pulses["stream"].look()
    assert pulses["stream"].patience_seconds == Pulse.SILENT_SECONDS


@pytest.fixture(scope="module")
def polled() -> Iterator[Any]:
    """The provider that is asked for the market."""
    with standins.get("coingecko")(seed=7) as standin:
        yield standin


@pytest.fixture(scope="module")
def streamed() -> Iterator[Any]:
    """The provider that streams prices of the same market."""
    with standins.get("tokenmetrics")(key=KEY, seed=7) as standin:
        yield standin


@pytest.fixture(scope="module")
def site(make_site: Callable[..., LiveSite], polled: Any, streamed: Any) -> Iterator[LiveSite]:
    """A site that polls once in ten minutes."""
    site = make_site(
        "worker", "beat", "web", "stream", SPOT_DEMO="off", SPOT_POLL_SECONDS="600", COINGECKO_BASE_URL=polled.url,
        COINGECKO_CALLS_PER_MINUTE="0", COINGECKO_CALLS_PER_MONTH="0", TOKENMETRICS_BASE_URL=streamed.url,
        TOKENMETRICS_STREAM_URL=streamed.stream_url, TOKENMETRICS_API_KEY=KEY,
    )  # fmt: skip
    yield site
    site.close()


def read_until(client: ClientConnection, condition: Callable[[Any], bool]) -> Any:
    """The first frame that the condition holds for, among the next few hundred."""
    return next(frame for frame in (json.loads(client.recv(timeout=60)) for _ in range(500)) if condition(frame))


def is_streamed(frame: Any) -> bool:
    return frame["type"] == "snapshot" and bool(frame.get("streams"))


FEED = "ticker-tape?coin_ids=bitcoin,ethereum&envelope=1"


@pytest.mark.flow
def test_streamed_prices_reach_a_client_between_two_polls(site: LiveSite, streamed: Any) -> None:
    with connect(site.socket(FEED), max_size=None) as client:
        first = read_until(client, lambda frame: frame["type"] == "snapshot")
        streamed.lies |= {"bitcoin": 1.01}
        said = read_until(client, lambda frame: is_streamed(frame) and frame["data"] != first["data"])
        again = read_until(client, lambda frame: is_streamed(frame) and frame["version"] > said["version"])
    assert said["fetched_at"] == again["fetched_at"] == first["fetched_at"]
    assert (said["source"], said["as_of"]) == (first["source"], first["as_of"])
    (stream,) = said["streams"]
    assert (stream["source"], stream["label"]) == ("tokenmetrics", "Token Metrics")
    assert stream["as_of"] > first["as_of"]
    with Redis.from_url(site.redis_url) as store:
        assert wait_until(lambda: (found := stream_state.read(store, "tokenmetrics")) and found.state == "live")


@pytest.mark.flow
def test_a_price_that_is_far_off_is_shown_as_disputed_and_not_believed(site: LiveSite, streamed: Any) -> None:
    with connect(site.socket(FEED), max_size=None) as client:
        streamed.lies |= {"ethereum": 2.0}
        frame = read_until(client, lambda one: one["type"] == "snapshot" and bool(one.get("disputed")))
    streamed.lies.clear()
    (dispute,) = frame["disputed"]
    assert (dispute["id"], dispute["source"]) == ("ethereum", "tokenmetrics")
    assert 80 < dispute["percent"] < 120
    with Redis.from_url(site.redis_url) as store:
        assert stream_state.counts(store, "disputed", "tokenmetrics")["ethereum"] >= 1


@pytest.mark.flow
def test_a_stream_process_that_is_killed_is_succeeded(site: LiveSite, streamed: Any) -> None:
    with connect(site.socket(FEED), max_size=None) as client:
        read_until(client, is_streamed)
        before = streamed.connections
        site.restart("stream", signal.SIGKILL)
        wait_until(lambda: streamed.connections > before, 30, "another connection")
        version = read_until(client, is_streamed)["version"]
        read_until(client, lambda frame: is_streamed(frame) and frame["version"] > version)


@pytest.mark.flow
def test_asked_to_end_it_ends_in_time_and_leaves_the_lead_to_another(site: LiveSite, streamed: Any) -> None:
    with connect(site.socket(FEED), max_size=None) as client, Redis.from_url(site.redis_url) as store:
        read_until(client, is_streamed)
        wait_until(lambda: store.exists("spot:stream:lead:tokenmetrics"))
        process = site.processes["stream"]
        process.terminate()
        assert process.wait(3.3) == 0
        assert not store.exists("spot:stream:lead:tokenmetrics")
        site.start("stream")
        assert KEY not in site.log("stream")


@pytest.mark.flow
def test_in_the_demo_it_asks_for_nothing_and_is_alive(redis: Redis, redis_url: str) -> None:
    with standins.get("cryptolisting")(key=KEY) as standin:
        given = {"CRYPTOLISTING_STREAM_URL": standin.stream_url, "CRYPTOLISTING_API_KEY": KEY, "SPOT_DEMO": "on"}
        environment = {**inherited(), **given, "REDIS_URL": redis_url, "SPOT_HOME": os.environ["SPOT_HOME"]}
        with subprocess.Popen(manage("stream"), cwd=ROOT, env=environment) as process:
            wait_until(lambda: stream_state.seen_ms(redis), what="a sign of life")
            process.terminate()
            assert process.wait(5) == 0
        assert standin.connections == 0
