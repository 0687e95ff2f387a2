"""What is measured: clients, frames, groups, compression; and the inputs of each case as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench import market
from bench.market import PATH, frame, own_query

FAST = ("spot", "nchan", "floor", "ws", "websockets")
EVERYBODY = (
    *FAST,
    "spot-stream",
    "spot-stream-ids",
    "spot-sse",
    "spot-scraped",
    "spot-two",
    "spot-daphne",
    "plain",
    "plain-daphne",
)
CHANNELS = ("spot", "plain", "spot-daphne", "plain-daphne")
DEFLATING = ("spot", "nchan", "ws", "websockets", "plain")


@dataclass(frozen=True)
class Case:
    """One line of a table. `kilobytes` is the frame's size, `groups` the number of different streams.

    With `own` set each group is a query of its own on 500 coins with their charts, of which it shows 20 to 39 without;
    otherwise all groups show the same rows, whole snapshots. `whole` publishes 500 coins with charts all the same.
    """

    clients: int
    kilobytes: int = 0
    groups: int = 1
    own: bool = False
    whole: bool = False
    deflate: bool = False
    servers: tuple[str, ...] = EVERYBODY

    @property
    def key(self) -> str:
        """A short name that tells all."""
        what = "own" if self.own else f"{self.kilobytes}k"
        marks = [f"{self.clients}", what, f"{self.groups}g", *(["z"] * self.deflate), *(["whole"] * self.whole)]
        return "-".join(marks)

    @property
    def title(self) -> str:
        """The case in words."""
        if self.own:
            what = "its own query" if self.groups == self.clients else f"{self.groups:,} queries"
            return f"{self.clients:,} clients, {what} on 500 coins"
        groups = "one group" if self.groups == 1 else f"{self.groups} groups"
        marks = ", compressed" * self.deflate + ", of a snapshot of 500 coins with charts" * self.whole
        return f"{self.clients:,} clients, {groups}, {self.kilobytes} KB{marks}"

    @property
    def rooms(self) -> int:
        """Publish-subscribe channels that a server needs which knows no queries: clients with queries share one."""
        return 1 if self.own else self.groups

    def spot_target(self, group: int) -> str:
        """Our request target for a client of a group."""
        return f"{PATH}?{own_query(group) if self.own else market.one_query(self.kilobytes, group)}"

    def sse_target(self, group: int) -> str:
        """The same as server-sent events, each in the envelope."""
        return self.spot_target(group).replace("/ws/", "/sse/")

    def stream_target(self, number: int) -> str:
        """The same on the stream (`bench/dialects/streamed.py`), with that id."""
        return f"/stream?{number}&{market.one_query(self.kilobytes)}"

    def plain_target(self, group: int) -> str:
        """The plain application's."""
        if self.own:
            return f"/ws/market/0?{own_query(group)}"
        return f"/ws/market/{group}?{urlencode(frame(self.kilobytes).query())}"

    def write_rows(self, folder: Path) -> Path:
        """The snapshot, as JSON."""
        path = folder / "rows.json"
        rows = market.coins(500, sparklines=True) if self.own or self.whole else frame(self.kilobytes).rows()
        path.write_text(json.dumps(rows))
        return path

    def write_message(self, folder: Path) -> Path:
        """The finished message, not stamped, for servers that only pass it on."""
        path = folder / "message.json"
        path.write_bytes(frame(self.kilobytes).text())
        return path


def cases(clients: tuple[int, ...], *, quick: bool) -> list[Case]:
    """Every line of the tables, in the order in which they are measured."""
    many = [count for count in clients if count > 1000]
    found = [Case(count, 16) for count in clients]
    found += [Case(clients[0], groups=clients[0], own=True, servers=CHANNELS)]
    found += [Case(count, groups=500, own=True, servers=("spot", "plain")) for count in many]
    found += [Case(count, 16, deflate=True, servers=DEFLATING) for count in clients]
    found += [Case(count, 16, groups=100, servers=(*FAST, "plain")) for count in clients]
    found += [Case(count, 16, whole=True, servers=("spot", "nchan")) for count in clients]
    if not quick:  # the longest last: a slow machine may run out of time
        found += [Case(count, size) for size in (1, 128) for count in clients]
        found += [Case(clients[0], 128, deflate=True, servers=DEFLATING)]
    return found
