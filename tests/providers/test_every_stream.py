"""The contract of every provider that streams, over real WebSockets: its stand-in in good and in bad health."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
import redis.asyncio
from redis import Redis
from structlog.testing import capture_logs

import standins
from providers import access, identity
from providers.base import Provider
from providers.budget import Budget, wall_ms
from providers.datasets import COIN_FIELDS, LISTING_FIELDS, Row
from providers.stream import Channel, Tick
from providers.streams import stream_state
from providers.streams.link import Timing
from providers.streams.stream_state import StreamState
from providers.streams.worker import StreamSettings, Worker
from providers.vault import Secret
from tests.providers.upstreams import CANARY, STREAMING, Upstreams, known

pytestmark = pytest.mark.django_db
#: The lead outlives every jump of the clock.
QUICK = Timing(beat=0.02, settings=0.05, channels=0.05, lead=86_400, open=5, close=0.2, report=0.05)
COINS = ("bitcoin", "ethereum")
PATIENCE = 8.0
each = pytest.mark.parametrize("provider", STREAMING)


@dataclass
class Sink:
    """Keeps what a stream brings."""

    wanted: Sequence[Channel] = ()
    prices: list[Tick] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)

    def channels(self, _provider: Provider, _coins: int, _most: int) -> Sequence[Channel]:
        return self.wanted

    async def ticks(self, _provider: Provider, ticks: list[Tick]) -> None:
        self.prices += ticks

    async def announced(self, _provider: Provider, row: Row) -> None:
        self.rows.append(row)

    async def happened(self, _provider: Provider, _topic: str, row: Row) -> None:
        self.rows.append(row)

    async def alive(self, _provider: Provider, at_ms: int) -> None:
        self.signs.append(at_ms)

    @property
    def brought(self) -> list[Any]:
        return [*self.prices, *self.rows]


@dataclass
class Stage:
    """A provider's stream, its stand-in, and what comes through. `shift` moves the worker's own clock, in seconds."""

    provider: Provider
    standin: Any
    redis: Redis
    sink: Sink
    entries: list[access.Access]
    theirs: dict[str, str]
    shift: float = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        client = redis.asyncio.Redis.from_url(_url(self.redis))
        worker = Worker(
            self.provider,
            self.sink,
            client,
            Budget(self.redis),
            timing=QUICK,
            read_settings=lambda _provider: StreamSettings(self.entries, 2),
            clock=lambda: time.monotonic() + self.shift,
            jitter=lambda: 0.02,
        )
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()  # as the command does: a waiting client of Redis may swallow a cancellation
            await task
            await client.aclose()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.01)

    async def back(self) -> None:
        """Let time pass until there is another connection, and data over it."""
        before = self.standin.connections
        async with asyncio.timeout(PATIENCE):
            while self.standin.connections == before:
                self.shift += 30
                await asyncio.sleep(0.05)
        await self.data()

    async def pulse(self) -> None:
        """Let the stand-in say what there is, a moment later than before."""
        self.standin.clock.advance(1500)
        await asyncio.to_thread(self.standin.pulse_now)

    async def data(self, more: int = 1) -> None:
        """Let it say what there is until so many more have come through."""
        aim = len(self.sink.brought) + more
        async with asyncio.timeout(PATIENCE):
            while len(self.sink.brought) < aim:
                await self.pulse()
                await asyncio.sleep(0.03)

    def state(self) -> StreamState | None:
        return stream_state.read(self.redis, self.provider.name)

    def is_in(self, *words: str) -> Callable[[], bool]:
        return lambda: (state := self.state()) is not None and state.state in words


def _url(client: Redis) -> str:
    return f"unix://{client.connection_pool.connection_kwargs['path']}"


@pytest.fixture(scope="module")
def upstreams(redis_url: str, django_db_setup: None, django_db_blocker: Any) -> Iterator[Upstreams]:
    with known(Upstreams(), redis_url, django_db_blocker) as made:
        yield made


@pytest.fixture
def stage(provider: Provider, upstreams: Upstreams, settings: Any, redis: Redis) -> Iterator[Stage]:
    with upstreams.wired(provider, settings, redis):
        theirs = identity.foreign(provider.name, COINS) if "ticks" in provider.stream.brings else {}
        with standins.get(provider.name)(key=CANARY, pulse_seconds=0) as standin:
            setattr(settings, f"{provider.name.upper()}_STREAM_URL", standin.stream_url)
            entry = access.of(provider)
            wanted = tuple(Channel(coin=coin) for coin in theirs.values())
            yield Stage(provider, standin, redis, Sink(wanted), [entry], theirs)


def told(logs: list[Any], *events: str) -> list[Any]:
    return [entry for entry in logs if entry["event"] in events]


def believable(stage: Stage) -> None:
    """Whatever a stream says, this holds for what comes through."""
    newest: dict[tuple[str, str], Tick] = {}
    for tick in stage.sink.prices:
        assert tick.coin in stage.theirs.values()
        assert tick.values.keys() <= set(COIN_FIELDS)
        assert tick.values["price"] > 0
        assert all(math.isfinite(value) for value in tick.values.values())
        assert tick.at is not None
        assert tick.at <= wall_ms()
        last = newest.get((tick.coin, tick.currency))
        assert last is None or tick.at >= last.at
        newest[tick.coin, tick.currency] = tick
    for row in stage.sink.rows:
        assert set(row) == set(LISTING_FIELDS) - {"received_at", "source"}
        assert row["id"]
        assert row["exchange"]
        assert row["type"]
        assert isinstance(row["tickers"], list)
    orjson.dumps([[tick.values for tick in stage.sink.prices], stage.sink.rows])


# --- in good health -------------------------------------------------------------------------------------------------
@each
def test_it_brings_what_it_says_it_brings(stage: Stage) -> None:
    async def story() -> None:
        async with stage.running():
            await stage.data(2)
            await stage.until(stage.is_in("live"))

    asyncio.run(story())
    believable(stage)
    assert bool(stage.sink.prices) == ("ticks" in stage.provider.stream.brings)
    assert bool(stage.sink.rows) == ("ticks" not in stage.provider.stream.brings)
    for ours, theirs in stage.theirs.items():
        prices = [tick.values["price"] for tick in stage.sink.prices if tick.coin == theirs]
        assert prices[-1] == pytest.approx(stage.standin.price(ours), rel=0.05)


@each
def test_it_follows_nothing_when_nothing_is_looked_at(stage: Stage) -> None:
    async def story() -> None:
        stage.sink.wanted = ()
        async with stage.running():
            await stage.until(lambda: stage.state() is not None)
            if "listings" in stage.provider.stream.brings:
                await stage.data()
            else:
                await asyncio.sleep(0.2)
                assert stage.state().state == "idle"
                assert stage.standin.connections == 0

    asyncio.run(story())


@each
def test_what_is_looked_at_changes_without_a_new_connection(stage: Stage) -> None:
    if "ticks" not in stage.provider.stream.brings:
        return

    async def story() -> None:
        whole = stage.sink.wanted
        stage.sink.wanted = whole[:1]
        async with stage.running():
            await stage.data(2)
            assert {tick.coin for tick in stage.sink.prices} == {whole[0].coin}
            stage.sink.wanted = whole[1:]
            await stage.until(lambda: stage.state().followed == 1)
            async with asyncio.timeout(PATIENCE):
                while stage.sink.prices[-1].coin != whole[1].coin:
                    await stage.pulse()
                    await asyncio.sleep(0.03)
            assert stage.standin.connections == 1

    asyncio.run(story())


# --- turned away ----------------------------------------------------------------------------------------------------
@each
def test_a_wrong_key_is_told_once_and_not_tried_again_until_it_is_another(stage: Stage) -> None:
    right, wrong = stage.entries[0], f"wrong-{CANARY[::-1]}"
    stage.entries = [replace(right, key=Secret(wrong))]

    async def story() -> None:
        async with stage.running():
            await stage.until(stage.is_in("refused"))
            seen = len(stage.standin.requests)
            stage.shift += 3600
            await asyncio.sleep(0.3)
            assert len(stage.standin.requests) == seen == 1
            assert stage.state().message
            assert wrong not in repr(stage.state())
            stage.entries = [right]
            await stage.data()

    with capture_logs() as logs:
        asyncio.run(story())
    assert len(told(logs, "stream rejected")) == 1
    assert wrong not in repr(logs)
    assert not told(logs, "stream failed")


@each
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_handshake_is_told_in_words(stage: Stage, status: int) -> None:
    stage.standin.faults.add("", "status", times=1, status=status)

    async def story() -> None:
        async with stage.running():
            await stage.until(stage.is_in("refused", "waiting"))
            state = stage.state()
            assert state.message
            assert state.code in ("unauthorized", "rate_limited", "not_found")
            assert (state.until is None) == (state.state == "refused")
            assert len(stage.standin.requests) == 1

    asyncio.run(story())


@each
@pytest.mark.parametrize(
    ("fault", "options", "least"),
    [("rate_limited", {"retry_after": 30}, 25), ("status", {"status": 500}, 0), ("status", {"status": 503}, 0)],
    ids=["429", "500", "503"],
)
def test_who_is_turned_away_comes_back_when_it_may(
    stage: Stage, fault: str, options: dict[str, Any], least: int
) -> None:
    stage.standin.faults.add("", fault, times=1, **options)

    async def story() -> None:
        async with stage.running():
            await stage.until(lambda: stage.standin.requests)
            if least:
                await stage.until(stage.is_in("waiting"))
                assert stage.state().until - wall_ms() > least * 1000
                await asyncio.sleep(0.2)
                assert len(stage.standin.requests) == 1
            stage.shift += 120
            await stage.data()

    asyncio.run(story())
    believable(stage)


@each
@pytest.mark.parametrize("fault", ["disconnect", "html", "redirect"])
def test_a_handshake_that_is_none_is_tried_again(stage: Stage, fault: str) -> None:
    stage.standin.faults.add("", fault, times=2)

    async def story() -> None:
        async with stage.running():
            await stage.back()

    with capture_logs() as logs:
        asyncio.run(story())
    assert not told(logs, "stream failed")
    believable(stage)


# --- messages -------------------------------------------------------------------------------------------------------
GARBAGE = [
    "", " ", "no json", "null", "true", "7", "[]", "{}", '"text"', "[" * 5000, '{"type":', '{"type":null}',
    '{"type":7}',
    '{"type":["data"]}', '{"type":{}}', '{"data":null}', '{"type":"data","data":[]}', '{"type":"announcement"}',
    '{"type":"exrate"}', '{"type":"price","data":{}}', "\x00", "NaN",
    '{"type":"nonsense","x":NaN}', b"\xff\xfe\x00", b"{}",
]  # fmt: skip


@each
def test_messages_that_are_none_are_dropped_and_the_stream_goes_on(stage: Stage) -> None:
    async def story() -> None:
        async with stage.running():
            await stage.data()
            for message in GARBAGE:
                await asyncio.to_thread(stage.standin.say, message)
            await stage.data()
            assert stage.standin.connections == 1

    with capture_logs() as logs:
        asyncio.run(story())
    assert not told(logs, "stream failed", "stream lost")
    believable(stage)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to everything in a JSON value that holds nothing itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in inner:
        yield from leaves(below, (*path, name))
    if not isinstance(value, dict | list):
        yield path


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with something else at the end of that way; `...` for nothing at all."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    if new is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy


ODD = [..., None, True, "text", "", -5, 0, 10**30, math.nan, math.inf, [], {}, [1], {"a": 1}, "<img src=x>", "x" * 5000]


@each
def test_values_that_cannot_be_never_come_through(stage: Stage) -> None:
    """Every value of every message with data, replaced by each odd one in turn."""

    def spoilt(message: Any) -> list[Any]:
        return [message, *(changed(message, path, odd) for path in leaves(message) for odd in ODD)]

    async def story() -> None:
        async with stage.running():
            await stage.data()
            stage.standin.spoil = spoilt
            await stage.pulse()
            stage.standin.spoil = lambda message: (message,)
            stage.shift += 60  # an odd value may have read as a farewell
            await stage.data()

    with capture_logs() as logs:
        asyncio.run(story())
    assert not told(logs, "stream failed")
    believable(stage)


@each
def test_what_comes_twice_or_late_changes_nothing(stage: Stage) -> None:
    said: list[Any] = []

    def keep(message: Any) -> list[Any]:
        said.append(message)
        return [message, message]

    async def story() -> None:
        async with stage.running():
            stage.standin.spoil = keep
            await stage.data(4)
            for message in reversed(said):
                await asyncio.to_thread(stage.standin.say, message)
            stage.standin.spoil = lambda message: (message,)
            await stage.data(2)

    asyncio.run(story())
    believable(stage)
    rows = {row["id"]: row for row in stage.sink.rows}
    assert all(rows[row["id"]] == row for row in stage.sink.rows)  # what is stored by its id is stored once
    assert len(rows) <= len(said) + 2
    for coin in stage.theirs.values():
        ticks = [(tick.at, tuple(tick.values.items())) for tick in stage.sink.prices if tick.coin == coin]
        assert len(ticks) == len(set(ticks))


@each
@pytest.mark.parametrize("skew_ms", [3_600_000, -3_600_000], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong_makes_no_data_look_fresh(stage: Stage, skew_ms: int) -> None:
    stage.standin.skew_ms = skew_ms

    async def story() -> None:
        async with stage.running():
            await stage.data(2)

    asyncio.run(story())
    believable(stage)


# --- ends -----------------------------------------------------------------------------------------------------------
@each
def test_a_connection_that_falls_silent_is_given_up(stage: Stage) -> None:
    async def story() -> None:
        async with stage.running():
            await stage.data()
            stage.standin.silent = True
            for _ in range(3):  # what was under way may yet be heard, and then the silence begins anew
                stage.shift += stage.provider.stream.silence_seconds + 1
                with suppress(TimeoutError):
                    await stage.until(lambda: not stage.standin.peers)
                    break
            stage.standin.silent = False
            await stage.back()

    with capture_logs() as logs:
        asyncio.run(story())
    assert [entry["outcome"] for entry in told(logs, "stream lost")] == ["unavailable"]


@each
def test_a_message_beyond_any_measure_ends_the_connection_and_no_more(stage: Stage) -> None:
    async def story() -> None:
        async with stage.running():
            await stage.data()
            await asyncio.to_thread(stage.standin.say, "x" * (2 << 20))
            await stage.until(lambda: told(logs, "stream lost"))  # before time passes, or it counts as silence
            await stage.back()

    with capture_logs() as logs:
        asyncio.run(story())
    assert [entry["outcome"] for entry in told(logs, "stream lost")] == ["bad_payload"]


@each
@pytest.mark.parametrize("code", [None, 1000, 1001, 1008, 1011, 1012, 1013, 4000, 4999])
def test_after_whatever_end_it_comes_back(stage: Stage, code: int | None) -> None:
    async def story() -> None:
        async with stage.running():
            await stage.data()
            await asyncio.to_thread(stage.standin.cut if code is None else lambda: stage.standin.close(code, "bye"))
            await stage.back()
            assert stage.standin.connections == 2

    with capture_logs() as logs:
        asyncio.run(story())
    assert not told(logs, "stream failed")


@each
def test_the_key_is_said_to_nobody_but_the_provider(stage: Stage) -> None:
    """Even where the provider itself says it back."""

    async def story() -> None:
        async with stage.running():
            await stage.data()
            await asyncio.to_thread(stage.standin.say, {"type": "error", "message": f"bad {CANARY}", "error": CANARY})
            await asyncio.to_thread(stage.standin.close, 1008, f"no {CANARY}")
            await stage.until(lambda: not stage.standin.peers or stage.standin.connections > 1)
            await asyncio.sleep(0.1)
            assert CANARY not in repr(stage.state())

    with capture_logs() as logs:
        asyncio.run(story())
    assert CANARY not in repr(logs)
    kept = [stage.redis.dump(name) or b"" for name in stage.redis.keys("*")]
    assert not [name for name in stage.redis.keys("*") if CANARY.encode() in name]
    assert CANARY.encode() not in b"".join(kept)
