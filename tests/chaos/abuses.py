"""Abuse: what clients do to a site that they mean no good, while others look on from another address."""

from __future__ import annotations

import asyncio
import json
import random
import re
import resource
import socket
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import HypothesisDeprecationWarning
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from spot.codes import CLOSES
from spot.hub import demand
from tests.chaos.bench import Bench, descriptors
from tests.chaos.crowd import PATH
from tests.fastpath.client import BINARY, CONTINUATION, PING, TEXT, Client, Closed, deflated, framed
from tests.operating import Operator

_RANDOM = random.Random(14)
_SESSION = requests.Session()
_SESSION.trust_env = False  # straight to loopback, whatever proxies the machine has


def address(number: int) -> str:
    """The loopback address of an abuser: any number of them, all but 127.0.0.1."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def _dial(bench: Bench, number: int, target: str, **options: Any) -> Any:
    """A socket of an abuser, as of `websockets`; `target` is a feed with its query string."""
    options = {"max_size": None, "proxy": None, "open_timeout": 30, "local_addr": (address(number), 0)} | options
    return connect(f"ws://127.0.0.1:{bench.site.port}{PATH}{target}", **options)


@contextmanager
def unshaken(bench: Bench) -> Iterator[None]:
    """What is done inside ends no process and leaves no traceback in the log of web."""
    before, logged = bench.pids("web"), len(bench.site.log("web"))
    yield
    bench.require(bench.healthy(5), "/healthz did not answer")
    bench.require(bench.pids("web") == before, "the web process ended")
    bench.require("Traceback" not in bench.site.log("web")[logged:], "a traceback in web's log")


@contextmanager
def many_descriptors() -> Iterator[int]:
    """Have as many descriptors as this process may have: their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _together(count: int, work: Callable[[int], Awaitable[Any]], at_once: int = 50) -> list[Any]:
    """Do work with each number below `count`, so many at a time."""
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> Any:
        async with gate:
            return await work(number)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


# --- messages that mean nothing ---------------------------------------------------------------------------------------


def _drawn(strategy: Any, count: int) -> list[Any]:
    """So many examples of a strategy of the fuzz tests."""
    drawn: list[Any] = []
    quiet = [HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large]

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=quiet, phases=[Phase.generate])
    @given(strategy)
    def draw(example: Any) -> None:
        drawn.append(example)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisDeprecationWarning)  # the clients' thread uses `random` meanwhile
        draw()
    return list(islice(cycle(drawn), count))


def malformed(count: int, bench: Bench) -> None:
    """Each message is answered: an error, a frame, or a close with a code that is documented."""
    from tests.spot.web.test_fuzz import feed_messages, feeds, queries
    from tests.spot.web.test_stream import messages as stream_messages

    each = 20
    feed_texts, stream_texts = _drawn(feed_messages, count // 2), _drawn(stream_messages, count // 2)
    paths = [f"{feed}?{query}" for feed, query in zip(_drawn(feeds, 100), _drawn(queries, 100), strict=True)]

    async def converse(number: int) -> str:
        texts, path = (feed_texts, paths[number % 100]) if number % 2 else (stream_texts, "stream")
        ping = _FEED_PING if number % 2 else '{"id":"the end","method":"ping"}'
        said = [text for text in texts[number // 2 * each : (number // 2 + 1) * each] if '"ping"' not in text]
        try:
            async with _dial(bench, number, path) as peer:
                return await _conversation(peer, said, ping)
        except InvalidStatus as refused:
            return "" if refused.response.status_code < 500 else f"a handshake got {refused.response.status_code}"

    with unshaken(bench):
        wrong = Counter(asyncio.run(_together(count // each, converse)))
        del wrong[""]
        bench.require(not wrong, ", ".join(f"{number} x {words}" for words, number in wrong.items()))
    bench.heal()


#: A feed may answer a message with a frame that comes for other reasons too, and the stream with one of these only.
_FEED_PING = '{"action":"ping"}'
_ANSWERS = ("ack", "error", "list", "export")


async def _conversation(peer: ClientConnection, said: Sequence[str], ping: str) -> str:
    """Say everything; what is wrong with the answers, or nothing."""
    answers = 0
    try:
        for text in said:
            await peer.send(text)
        for _ in range(20):  # a ping that came too fast is answered with an error, and asked again
            await peer.send(ping)
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    while '"pong"' not in (text := str(await peer.recv())):
                        answers += ping == _FEED_PING or any(f'"type":"{kind}"' in text for kind in _ANSWERS)
                enough = answers >= len(said) or ping == _FEED_PING
                return "" if enough else f"{answers} answers to {len(said)} messages"
    except ConnectionClosed:
        with suppress(ConnectionClosed):
            while True:  # what came before the close
                answers += bool(await peer.recv())
        code = peer.close_code or 1006
        if code not in set(CLOSES):
            return f"closed with {code}"
        return "" if answers else "closed without a word"
    return "no pong"


def noise(sessions: int, bench: Bench) -> None:
    """Random bytes, and frames with random heads, before and after handshakes."""
    from tests.fastpath.test_inbound import noise as one_session

    async def session(number: int) -> None:
        with suppress(OSError, Closed, TimeoutError):
            await one_session(bench.site.port, _RANDOM, greeted=number % 3 > 0)

    with unshaken(bench):
        asyncio.run(_together(sessions, session, at_once=20))
    bench.heal()


# --- messages that weigh too much -------------------------------------------------------------------------------------


def heavy(bench: Bench) -> None:
    """Deflate bombs, 100,000 fragments of one message, frames of 16 MiB."""
    bomb = framed(TEXT, deflated(b"x" * 16_777_216), rsv1=True)
    giant = framed(BINARY, b"x" * 16_777_216)[:1_000_000]
    fragments = framed(CONTINUATION, b"", fin=False) * 1000

    async def refused(frames: bytes, _number: int) -> int:
        client = await Client.open(bench.site.port, "top-gainers", "permessage-deflate")
        try:
            with suppress(ConnectionError):
                await client.send_raw(frames)
            return await client.closed()
        finally:
            client.close()

    async def fragmented() -> None:
        client = await Client.open(bench.site.port, "top-gainers?envelope=1&per_page=5")
        await client.send_raw(framed(TEXT, b'{"search":"bit"}', fin=False))
        for _ in range(100):
            await client.send_raw(fragments)
        await client.send_raw(framed(CONTINUATION) + framed(PING, b"heard"))
        async with asyncio.timeout(120):
            while b"heard" not in [frame.payload for frame in client.controls]:
                await client.message()
        client.close()

    async def story() -> None:
        for name, frames in (("bomb", bomb), ("frame of 16 MiB", giant)):
            codes = Counter(await _together(50, partial(refused, frames), at_once=50))
            # A peer that is still sending when it is closed may lose the close.
            bench.require(codes.keys() <= {1009, 1006}, f"a {name} got {dict(codes)}")
        await fragmented()

    before = bench.rss_mb("web") + bench.rss_mb("worker")
    bench.forget_peaks()
    with unshaken(bench):
        asyncio.run(story())
    grown = bench.peak_mb() - before
    bench.require(grown < 20, f"web and worker took {grown:.0f} MB more at their peak")
    bench.heal()


# --- questions without end --------------------------------------------------------------------------------------------


def distinct(count: int, bench: Bench) -> None:
    """So many pages, currencies, charts and coins, from a hundred addresses, for longer than a minute."""
    currencies = ("eur", "gbp", "jpy", "btc", "eth", "chf", "cad", "aud", "inr", "cny", "krw", "brl", "try", "sek")
    coins = [coin["id"] for coin in _SESSION.get(f"{bench.site.sandbox.url}/coins/list", timeout=30).json()]
    feeds = ("market", "coin-heatmap", "ticker-tape", "historical-ohlcv")
    until = time.monotonic() + 75

    def question(number: int) -> dict[str, Any]:
        currency = currencies[number % len(currencies)]
        match number % 4:
            case 0:
                return {"vs_currency": currency, "page": number // 4 % 5 + 1, "page_size": 1 + number // 20}
            case 1:
                return {"vs_currency": currency, "page": number // 4 % 5 + 1, "per_page": 1 + number // 20 % 100}
            case 2:
                return {"vs_currency": currency, "coin_ids": _RANDOM.sample(coins, 10)}
        return {"vs_currency": currency, "coin_id": coins[number % len(coins)], "days": _RANDOM.choice((1, 7, 30, 90))}

    async def ask(number: int) -> None:
        first = "?coin_id=bitcoin" if number % 4 == 3 else "?coin_ids=bitcoin" if number % 4 == 2 else ""
        asked = 0
        with suppress(OSError, TimeoutError, InvalidStatus, ConnectionClosed):
            async with _dial(bench, number, f"{feeds[number % 4]}{first}") as peer:
                reading = asyncio.create_task(_read_on(peer))
                while time.monotonic() < until:
                    if asked < count // 100:
                        await peer.send(json.dumps(question(asked * 100 + number)))
                        asked += 1
                    await asyncio.sleep(0.12)
                reading.cancel()

    async def story() -> None:
        await asyncio.gather(*(ask(number) for number in range(100)))

    with unshaken(bench):
        asyncio.run(story())
        calls = [call for call in bench.site.sandbox.requests() if call["at"] / 1e3 > time.time() - 40]
        polled = {call["params"]["vs_currency"] for call in calls if call["path"] == "/coins/markets"}
        bench.require(len(polled) <= 9, f"{len(polled)} currencies are polled, where 8 and the pinned one are allowed")
        charts = {(call["path"], *call["params"].values()) for call in calls if call["path"].count("/") == 3}
        bench.require(len(charts) <= 112, f"{len(charts)} charts are polled, where 100 and 12 pinned ones are allowed")
    bench.wait(demand.LINGER_MS / 1000 + 10)  # so long the hub keeps a table that nobody looks at any more
    bench.heal()


async def _read_on(peer: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await peer.recv()


def churn(seconds: float, bench: Bench) -> None:
    """1,000 subscriptions a second come and go on 100 connections, all of data that others look at already."""

    async def visitor(number: int) -> None:
        end = time.monotonic() + seconds
        with suppress(ConnectionClosed):
            async with _dial(bench, number, "stream") as peer:
                reading = asyncio.create_task(_read_on(peer))
                turn = 0
                while time.monotonic() < end:
                    turn += 1
                    view = {"search": f"{turn % 36:x}", "page_size": 1 + number % 40}
                    await peer.send(
                        json.dumps({"id": turn, "method": "subscribe", "channel": "market", "params": view})
                        if turn % 2
                        else json.dumps({"id": turn, "method": "unsubscribe", "all": True})
                    )
                    await asyncio.sleep(0.1)
                reading.cancel()

    async def story() -> None:
        await asyncio.gather(*(visitor(number) for number in range(100)))

    with unshaken(bench):
        began = time.time()
        asyncio.run(story())
        calls, passed = len(bench.calls(began)), time.time() - began
    allowed = passed / float(bench.site.environment["SPOT_POLL_SECONDS"]) + 2
    bench.require(calls <= allowed, f"{calls} polls in {passed:.0f} s")
    bench.heal()


#: What a coin's id may try to be: RELIABILITY's T7.
INJECTED = (
    "../../ping", "..", ".", "%2e%2e", "..%2f", "bitcoin/../x", "bitcoin?x=1", "bitcoin#", "//evil", "@evil",
    "bitcoin\r\nX-Evil: 1", "bitcoin\0", "\uff0e\uff0e", "x" * 10_240, "bitcoin/ohlc", "..;/ping", "\\..\\ping",
)  # fmt: skip


def paths(bench: Bench) -> None:
    """Ids of coins that are paths: the upstream sees none, and each is refused."""
    began = time.time()
    with unshaken(bench):
        for text in INJECTED:
            for feed, name in (("historical-ohlcv", "coin_id"), ("ticker-tape", "coin_ids")):
                answer = _SESSION.get(bench.site.twin(feed), params={name: text}, timeout=30)
                bench.require(400 <= answer.status_code < 500, f"{feed} answered {text[:20]!r} {answer.status_code}")
            quoted = quote(text, safe="")
            for path in (f"coins/{quoted}/market_chart?vs_currency=usd&days=1", f"simple/price?ids={quoted}"):
                answer = _SESSION.get(f"{bench.site.url}/compat/coingecko/api/v3/{path}", timeout=30)
                bench.require(answer.status_code != 500, f"{path[:40]!r} answered 500")
        bench.wait(3)
        odd = re.compile(r"\.\.|%|ping|evil|[@#;\\]|x{9}|/\./")
        seen = [call["path"] for call in bench.site.sandbox.requests() if call["at"] / 1e3 >= began]
        bench.require(not any(map(odd.search, seen)), f"upstream saw {next(filter(odd.search, seen), '')!r}")
    bench.heal()


# --- crowds -----------------------------------------------------------------------------------------------------------


def stampede(count: int, bench: Bench) -> None:
    """So many connections in five seconds, which then go in the same moment, half of them with a reset."""

    async def come(number: int) -> asyncio.StreamWriter | None:
        await asyncio.sleep(5 * number / count)
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", bench.site.port, local_addr=(address(number % 8), 0), limit=1 << 20
            )
            lines = [f"GET {PATH}top-gainers?per_page=1 HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket"]
            lines += ["Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            async with asyncio.timeout(60):
                return writer if b" 101 " in await reader.readuntil(b"\r\n\r\n") else None
        except (OSError, TimeoutError, EOFError):
            return None

    async def story() -> float:
        began = time.monotonic()
        there = [writer for writer in await asyncio.gather(*map(come, range(count))) if writer is not None]
        took = time.monotonic() - began
        bench.require(len(there) == count, f"{len(there)} of {count} were let in")
        for number, writer in enumerate(there):
            if number % 2:
                linger = (1).to_bytes(4, "little") + bytes(4)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        return took

    with unshaken(bench), many_descriptors():
        took = asyncio.run(story())
        bench.require(took < 30, f"it took {took:.0f} s to let them in")
    bench.heal()


def handshakes(rounds: int, bench: Bench) -> None:
    """50 handshakes at once with a key whose plan has 5 connections: 5 are let in, each time."""
    key = Operator(bench.site).new_key(f"five {time.time():.0f}", connections="5")[0]

    async def come(number: int) -> ClientConnection | None:
        try:
            peer: ClientConnection = await _dial(
                bench, number, "top-gainers?envelope=1", additional_headers={"X-API-Key": key}
            )
            if json.loads(await peer.recv()).get("code") is None:
                return peer
            await peer.close()
        except (InvalidStatus, ConnectionClosed):
            pass
        return None

    async def story() -> int:
        there = [peer for peer in await asyncio.gather(*map(come, range(50))) if peer is not None]
        await asyncio.gather(*(peer.close() for peer in there))
        return len(there)

    (pid,) = bench.pids("web")[:1]
    asyncio.run(story())
    bench.wait(3)
    before = descriptors(pid)
    with unshaken(bench):
        let_in = Counter[int]()
        for _ in range(rounds):
            bench.wait(10, lambda: descriptors(pid) <= before + 1)
            let_in[asyncio.run(story())] += 1
        bench.require(let_in.keys() == {5}, f"of 50, so many were let in: {dict(let_in)}")
    bench.heal()


# --- keys -------------------------------------------------------------------------------------------------------------


def guesses(count: int, bench: Bench) -> None:
    """Wrong keys from one address: few are judged, the rest told to wait. A right key is served there all the same."""
    key = Operator(bench.site).new_key(f"guessed {time.time():.0f}")[0]
    url = bench.site.twin("top-gainers?per_page=1")
    bench.wait(10, lambda: _SESSION.get(url, headers={"X-API-Key": key}, timeout=30).status_code == 200)
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    wrong = ["spot_" + "".join(_RANDOM.choices(letters, k=len(key) - 5)) for _ in range(count)]
    with unshaken(bench):
        began = time.monotonic()
        answers = Counter(_SESSION.get(url, headers={"X-API-Key": text}, timeout=30).status_code for text in wrong)
        judged = 20 + 10 * (time.monotonic() - began) / 60 + 1
        bench.require(answers[401] <= judged, f"{answers[401]} of {count} guesses were judged")
        bench.require(answers.keys() <= {401, 429}, f"guesses got {dict(answers)}")
        right = _SESSION.get(url, headers={"X-API-Key": key}, timeout=30).status_code
        bench.require(right == 200, f"the right key got {right} beside wrong ones")
    bench.heal()


def secrets(bench: Bench) -> None:
    """A provider's key and clients' keys are used, guessed at, and shown where they do not belong; then every file of
    the site is searched, with all that other rows have logged."""
    from tests.test_canary import HIDDEN, TYPED, shapes

    operator = Operator(bench.site)
    key = operator.new_key(f"canary {time.time():.0f}")[0]
    hidden = HIDDEN | shapes(key)
    said = operator.send(
        "/admin/providers/apikey/add/", plan="coingecko demo", secret=TYPED, label="canary", enabled="on"
    )
    page = re.findall(r"/admin/providers/apikey/\d+/change/", said)[-1]
    with suppress(AssertionError):
        for kind, options in (("status", {"status": 500}), ("html", {}), ("hang", {}), ("broken_json", {})):
            bench.site.sandbox.fault("/coins/markets", kind, **options)
            bench.wait(4)
            bench.site.sandbox.heal()
    sent = [call for call in bench.site.sandbox.requests() if TYPED in str(call["headers"])]
    bench.require(bool(sent), "the provider's key was not used")
    url = bench.site.twin("market?page_size=1")
    asked = [(url, {"X-API-Key": text}) for text in (key, key[:-1] + "0", key + "x")]
    asked += [(f"{url}&api_key={key}", {}), (f"{url}&ticket={key}", {})]
    asked += [(f"{bench.site.url}/{path}", {}) for path in ("metrics", "readyz", "status.json")]
    pages = [_SESSION.get(address, headers=headers, timeout=30).text for address, headers in asked]
    operator.send(page.replace("change", "delete"), post="yes")
    found = [f"an answer: {text[:60]}" for text in pages if any(shape in text.encode() for shape in hidden)]
    for file in filter(Path.is_file, bench.site.home.rglob("*")):
        data = file.read_bytes()
        found += [f"{file.name}: {shape.decode()[:12]}" for shape in hidden if shape in data]
    bench.require(not found, f"keys were seen in {', '.join(found[:3])}")
    bench.heal()
