"""Abuse: peers that stop, reading or in the middle of a request, while others look on."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from tests.chaos.abuses import address, many_descriptors, unshaken
from tests.chaos.bench import Bench, descriptors
from tests.chaos.crowd import is_cut, silent
from tests.fastpath.client import PONG, framed

#: Every hundredth asks for the whole market, so that the kernel takes no more for it; the others for a coin.
_MUCH, _LITTLE = "market?envelope=1&per_page=500", "top-gainers?envelope=1&per_page=1"


def never_reading(count: int, bench: Bench) -> None:
    """As many as descriptors allow, from eight addresses. Half of them send unsolicited pongs, as a sign of life."""
    memory = bench.rss_mb("web") + bench.rss_mb("worker")
    bench.forget_peaks()

    def here() -> int:
        return sum(map(descriptors, bench.pids("web")))

    with unshaken(bench), many_descriptors() as most:
        before, count = here(), min(count, most - 1000)
        peers: list[socket.socket] = []
        for first in range(0, count, 250):  # no more than wait for the server at a time
            numbers = range(first, min(first + 250, count))
            some = [
                silent(bench.site.port, _LITTLE if number % 100 else _MUCH, source=address(number % 8))
                for number in numbers
            ]
            there = bench.wait(20, lambda some=some: all(_is_let_in(peer) or is_cut(peer) for peer in some))  # type: ignore[misc]
            bench.require(there, "peers were not let in within 20 s")
            peers += some
            _chat(peers[first // 250 % 10 * 2 + 1 :: 20])
        let_in, turn = time.monotonic(), 0
        while here() > before + 12 and time.monotonic() < let_in + 60:
            turn += 1
            _chat(peers[turn % 10 * 2 + 1 :: 20])
            bench.wait(0.5)
        bench.require(here() <= before + 12, f"{here() - before} of {count} were not cut in 60 s")
        _chat(peers[1::2])
        # One that takes nothing is forgotten by the server's kernel without a word, and told once it sends anything.
        told = [*peers[1::2], *peers[::100]]
        bench.require(bench.wait(5, lambda: all(map(is_cut, told))), "peers that were cut were not told")
        for peer in peers:
            peer.close()
    grown = bench.peak_mb() - memory
    bench.require(grown < 1000, f"web and worker took {grown:.0f} MB more at their peak")
    bench.heal()


def _chat(peers: Sequence[socket.socket]) -> None:
    for peer in peers:
        with suppress(OSError):
            peer.send(framed(PONG, b"alive"), socket.MSG_DONTWAIT)


def _is_let_in(peer: socket.socket) -> bool:
    """Whether an answer to the handshake waits in the kernel, where it stays."""
    with suppress(OSError):
        return b" 101 " in peer.recv(32, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return False


#: What a peer says before it stops, and the seconds after which it must be cut.
_HALVES = (
    (b"", 20),
    (b"GET / HTTP/1.1\r\nHost: x\r\n", 20),
    (b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nusername=", 45),
)


def half_requests(count: int, bench: Bench) -> None:
    """Peers that say nothing, or whose head or body does not come to an end; others connect at once beside them."""
    began = time.monotonic()
    there = [(silent(bench.site.port, source=address(number % 8)), *_HALVES[number % 3]) for number in range(count)]
    for peer, said, _ in there:
        peer.sendall(said)
    bench.require(bench.healthy(), f"/healthz did not answer beside {count} slow requests")
    while there and (passed := time.monotonic() - began) < 60:
        for peer, said, seconds in there:
            if is_cut(peer):
                peer.close()
                bench.require(passed < seconds, f"a peer was cut after {passed:.0f} s that had said {said[:4]!r}")
        there = [one for one in there if one[0].fileno() >= 0]
        bench.wait(0.5)
    bench.require(not there, f"{len(there)} of {count} were not cut in 60 s")
    for peer, _, _ in there:
        peer.close()
    bench.heal()
