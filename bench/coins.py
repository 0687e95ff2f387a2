"""Connections that follow a hundred single coins each, and all coins change: `python -m bench.coins`.

A client of Spot follows each coin by a subscription of its own, in a dialect as terse as the others', in the stream's
`price`, whose frames are 14 times as long, and in CoinMarketCap's, CoinGecko's and Token Metrics' protocols. The same
work in plain Channels is a group for each coin, and in Node's `ws` a set of sockets for each. Frames have the same
length everywhere, so that the clients need only count bytes; a broadcast ends when the last client has its last byte.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

COINS, FOLLOWED = 500, 100
NAMES = [f"coin-{number:03d}" for number in range(COINS)]
DIALECTS = Path(__file__).with_name("dialects")
_PATIENCE_S = 180.0
_REQUEST = (
    "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def followed(client: int) -> list[str]:
    """The coins of one client."""
    return [NAMES[(client * 7 + step * 5) % COINS] for step in range(FOLLOWED)]


def message(name: str, price: float) -> bytes:
    """The message about one coin, 38 bytes long."""
    return b'{"coin":"%s","price":%014.6f}' % (name.encode(), price)


FRAME_BYTES = 2 + len(message(NAMES[0], 1.0))
#: The part of a frame of `price` that all members of a group are sent, with blanks, and a whole frame.
PRICE_BYTES = 512
_PRICE_FRAME = 4 + len('{"id":1,"coin_id":"coin-000",') + PRICE_BYTES
#: Messages of CoinMarketCap's, CoinGecko's and Token Metrics' socket, with blanks.
LATEST_BYTES, CABLE_BYTES, TOKEN_BYTES = 384, 224, 800
_HEAD_BYTES = 4


# --- servers ----------------------------------------------------------------------------------------------------------


def serve(port: int) -> None:
    """Spot's web process with the dialect for measuring."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    import django

    from spot import dialects

    dialects.__path__.append(str(DIALECTS))
    django.setup()
    from spot.server import listening

    listening.raise_file_limit()
    listening.serve(
        "uvicorn", listening.asgi_application("spot_project.asgi.application", []), listening.listen("127.0.0.1", port)
    )


def publish() -> None:
    """Store a market in which every coin has changed, for each byte on standard input."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    import django

    django.setup()
    from bench import market
    from bench.publish_spot import store
    from providers.datasets import Dataset

    rows = [row | {"id": name} for row, name in zip(market.coins(COINS, sparklines=False), NAMES, strict=True)]
    store(Dataset("currencies"), [{"id": "usd"}])
    store(Dataset("coins"), [{"id": row["id"], "symbol": row["symbol"], "name": row["name"]} for row in rows])
    store(Dataset("markets", "usd"), rows)
    print("ready", flush=True)
    step = 0
    while os.read(0, 1):
        step += 1
        for place, row in enumerate(rows):
            row["price"] = 1.0 + place + step / 1000
        store(Dataset("markets", "usd"), rows)


class _Server(NamedTuple):
    """How one is started, the target of a client, and the bytes of a frame."""

    start: Callable[..., None]
    target: str
    frame: int = FRAME_BYTES


def _contenders() -> dict[str, _Server]:
    from bench.contenders import ROOT, node_modules, plain_redis, spot_environment

    def spot(run) -> None:  # type: ignore[no-untyped-def]
        env = spot_environment(run) | {"SPOT_CONNECTIONS_PER_ADDRESS": "0"}  # all come from one
        run.start(sys.executable, "-m", "bench.coins", "serve", str(run.port), env=env)
        run.publisher(sys.executable, "-m", "bench.coins", "publish", env=env)

    def channels(run) -> None:  # type: ignore[no-untyped-def]
        env = {"BENCH_REDIS": plain_redis(run), "DJANGO_SETTINGS_MODULE": "bench.plain.settings"}
        # Joining the groups takes minutes, in which these clients answer no ping.
        patient = ("--ws-ping-interval", "3600", "--log-level", "error")
        server = ("uvicorn", "--host", "127.0.0.1", "--port", str(run.port), *patient)
        run.start(sys.executable, "-m", *server, "bench.plain.asgi:application", env=env)
        run.publisher(sys.executable, "-m", "bench.plain.publish_coins", env=env)

    def ws(run) -> None:  # type: ignore[no-untyped-def]
        env = {"NODE_PATH": str(node_modules())}
        run.start("node", ROOT / "bench" / "serve_coins.cjs", str(run.port), ticks=True, env=env)

    return {
        "spot": _Server(spot, "/coins?{}"),
        "price": _Server(spot, "/prices?{}", _PRICE_FRAME),
        "coinmarketcap": _Server(spot, "/coinmarketcap?{}", _HEAD_BYTES + LATEST_BYTES),
        "coingecko": _Server(spot, "/coingecko?{}", _HEAD_BYTES + CABLE_BYTES),
        "tokens": _Server(spot, "/tokens?{}", _HEAD_BYTES + TOKEN_BYTES),
        "ws": _Server(ws, "/{}"),
        "plain": _Server(channels, "/ws/coins?{}"),
    }


# --- clients ----------------------------------------------------------------------------------------------------------


class Broadcast(NamedTuple):
    """One broadcast to everybody: microseconds of CPU a frame, and milliseconds to the last byte."""

    cpu_us: float
    last_ms: float


def _connected(port: int, target: str, clients: int) -> Iterator[socket.socket]:
    """Clients that have shaken hands, one after the other."""
    for number in range(clients):
        peer = socket.create_connection(("127.0.0.1", port), 30)
        peer.sendall(_REQUEST.format(target=target.format(number)).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        assert b" 101 " in head, head
        peer.setblocking(False)
        yield peer


class Crowd:
    """The clients: they count what they are sent."""

    def __init__(self, peers: list[socket.socket]) -> None:
        self._epoll = select.epoll()
        self._peers = {peer.fileno(): peer for peer in peers}
        for number in self._peers:
            self._epoll.register(number, select.EPOLLIN)

    def hear(self, bytes_each: int) -> float:
        """Wait until every client has been sent so many bytes; the moment of the last one."""
        missing = dict.fromkeys(self._peers, bytes_each)
        deadline = time.monotonic() + _PATIENCE_S
        while missing:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} clients lack bytes")
            for number, _ in self._epoll.poll(1):
                missing[number] = missing.get(number, 0) - self._taken(number)
                if missing[number] <= 0:
                    del missing[number]
        return time.monotonic()

    def _taken(self, number: int) -> int:
        """Read what a client has been sent; the number of bytes."""
        size = len(self._peers[number].recv(1 << 20))
        if not size:
            raise ConnectionError("the server has closed a client's connection")
        return size

    def settle(self) -> None:
        """Read what comes until nothing has come for a while."""
        while events := self._epoll.poll(1.5):
            for number, _ in events:
                self._taken(number)


def measure(name: str, clients: int, broadcasts: int) -> list[Broadcast]:
    """Broadcasts of one server, after one that warms it."""
    from bench.cases import Case
    from bench.contenders import Contender, running
    from bench.machine import workshop
    from bench.measure import cpu_ns

    start, target, frame = _contenders()[name]
    case = Case(clients)
    results = []
    with running(Contender(name, name, start, lambda *_: ""), case, workshop() / f"coins-{name}") as run:
        crowd = Crowd(list(_connected(run.port, target, clients)))
        crowd.settle()
        pids = [process.pid for process in run.server]
        run.tick.sendall(b"\n")
        crowd.hear(frame * FOLLOWED)
        for _ in range(broadcasts):
            before, began = cpu_ns(pids), time.monotonic()
            run.tick.sendall(b"\n")
            last = crowd.hear(frame * FOLLOWED)
            cpu = cpu_ns(pids) - before
            results.append(Broadcast(cpu / clients / FOLLOWED / 1000, (last - began) * 1000))
    return results


def main() -> None:
    """Print each server's medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.coins", description=__doc__)
    parser.add_argument("job", nargs="?", choices=("measure", "serve", "publish"), default="measure")
    parser.add_argument("port", nargs="?", type=int)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--broadcasts", type=int, default=20)
    parser.add_argument("--only", default="spot,price,coinmarketcap,coingecko,tokens,ws,plain")
    args = parser.parse_args()
    if args.job == "serve":
        serve(args.port)
    elif args.job == "publish":
        publish()
    else:
        from bench.machine import raise_file_limit

        raise_file_limit()
        print(f"{args.clients:,} connections, {FOLLOWED} coins each, every coin changes")
        for name in args.only.split(","):
            # Plain Channels takes seconds for each.
            results = measure(name, args.clients, args.broadcasts if name != "plain" else min(2, args.broadcasts))
            cpu, last = (statistics.median(column) for column in zip(*results, strict=True))
            print(f"{name}: {cpu:.2f} us of CPU a frame, last client after {last:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
