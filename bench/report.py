"""The tables, and what became of the targets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import http, rest
from bench.cases import Case
from bench.contenders import CONTENDERS
from bench.measure import Result

BEGIN, END = "<!-- results: written by make bench ARGS=--write -->", "<!-- end of results -->"
COLUMNS = (
    "server", "CPU µs / delivery", "÷ Nchan", "deliveries / s", "p50 ms", "p99 ms", "last client ms",
    "KB / idle client", "frame bytes", "connected s",
)  # fmt: skip


@dataclass
class Results:
    """Everything measured in one run: for each case and server, one result a round."""

    rounds: dict[tuple[Case, str], list[Result]] = field(default_factory=dict)
    missing: dict[tuple[Case, str], str] = field(default_factory=dict)
    slow: Result | None = None
    queries: list[tuple[str, list[tuple[str, float, float, float]]]] = field(default_factory=list)
    delta: tuple[int, int] | None = None
    #: Microseconds of CPU per request of each kind (`bench.http.KINDS`), for each server and round.
    http: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    #: CoinGecko's REST API.
    rest: rest.Costs | None = None
    #: The whole way, a result a round (`bench.flow`).
    flow: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, case: Case, server: str, result: Result) -> None:
        """One more round."""
        self.rounds.setdefault((case, server), []).append(result)

    def cases(self) -> list[Case]:
        """Every case that something is known of, in the order measured."""
        return list(dict.fromkeys(case for case, _ in (*self.rounds, *self.missing)))

    def median(self, case: Case, server: str, value: str | Callable[[Result], float]) -> float | None:
        """The median over the rounds."""
        get = value if callable(value) else lambda result: result[value]
        found = [get(result) for result in self.rounds.get((case, server), [])]
        return statistics.median(found) if found else None

    def ratio(self, case: Case, one: str, other: str) -> float | None:
        """Median over the rounds of one server's CPU per delivery divided by the other's in the same round."""
        pairs = zip(self.rounds.get((case, one), []), self.rounds.get((case, other), []), strict=False)
        found = [a["cpu_us"] / b["cpu_us"] for a, b in pairs if b["cpu_us"]]
        return statistics.median(found) if found else None


def idle_kb(result: Result) -> float:
    """Resident kilobytes that one connected client adds."""
    return float(result["idle_kb"] - result["empty_kb"]) / max(1, int(result["clients"]))


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    head = list(head)
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def case_table(results: Results, case: Case) -> str:
    """One case: all servers, medians of the rounds."""
    lines = []
    for name in case.servers:
        title = CONTENDERS[name].title
        if (case, name) in results.missing:
            lines.append([title, results.missing[case, name], *[""] * (len(COLUMNS) - 2)])
        if (case, name) not in results.rounds:
            continue
        line = [title, _number(results.median(case, name, "cpu_us")), _number(results.ratio(case, name, "nchan"), 2)]
        line += [_number(results.median(case, name, "per_second"), 0)]
        line += [_number(results.median(case, name, value)) for value in ("p50_ms", "p99_ms", "last_ms")]
        line += [_number(results.median(case, name, idle_kb)), _number(results.median(case, name, "frame_bytes"), 0)]
        lines.append([*line, _number(results.median(case, name, "connect_s"), 2)])
    return f"**{case.title}**\n\n{_table(COLUMNS, lines)}"


# --- targets ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What was aimed at: the words, the most it may be, and how it is read from the results (None: not measured)."""

    words: str
    most: float
    value: Callable[[Results], float | None]


def _find(results: Results, clients: int, **facts: Any) -> Case | None:
    wished = {"groups": 1, "own": False, "whole": False, "deflate": False, **facts}
    for case in results.cases():
        if case.clients == clients and all(getattr(case, name) == value for name, value in wished.items()):
            return case
    return None


def _ratio(one: str, other: str, clients: int, **facts: Any) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        case = _find(results, clients, **facts)
        return None if case is None else results.ratio(case, one, other)

    return value


def _value(get: str | Callable[[Result], float], clients: int, **facts: Any) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        case = _find(results, clients, **facts)
        return None if case is None else results.median(case, "spot", get)

    return value


def _own(clients: int) -> dict[str, Any]:
    return {"own": True, "groups": clients, "kilobytes": 0}


def _query_us(results: Results) -> float | None:
    for title, lines in results.queries:
        if title.startswith("20,000"):
            return next(ours for what, ours, *_ in lines if what.startswith("another"))
    return None


def _flow(results: Results) -> float | None:
    return statistics.median(one["last_ms"] for one in results.flow) if results.flow else None


def _rest(kind: rest.Kind, one: str, other: str) -> Callable[[Results], float | None]:
    return lambda results: None if results.rest is None else results.rest.ratio(kind, one, other)


TARGETS = (
    *(
        Target(f"{size} KB, {clients:,} clients: ÷ Nchan", most, _ratio("spot", "nchan", clients, kilobytes=size))
        for size, most in ((16, 0.95), (1, 1.0), (128, 1.0))
        for clients in (1000, 5000)
    ),
    *(
        Target(f"{size} KB, 5,000 clients: ÷ the C floor", 1.25, _ratio("spot", "floor", 5000, kilobytes=size))
        for size in (16, 1, 128)
    ),
    *(
        Target(
            f"16 KB, {clients:,} clients: ÷ plain Channels, uvicorn",
            0.03,
            _ratio("spot", "plain", clients, kilobytes=16),
        )
        for clients in (1000, 5000)
    ),
    *(
        Target(
            f"16 KB, {clients:,} clients, daphne: ÷ plain Channels, daphne",
            0.15,
            _ratio("spot-daphne", "plain-daphne", clients, kilobytes=16),
        )
        for clients in (1000, 5000)
    ),
    Target("1,000 own queries: ÷ plain Channels, uvicorn", 0.1, _ratio("spot", "plain", 1000, **_own(1000))),
    Target("1,000 own queries: last client, ms (publishing included)", 100, _value("last_ms", 1000, **_own(1000))),
    Target(
        "5,000 clients in 500 groups: CPU ms per snapshot, decode included",
        150,
        _value(lambda result: result["cpu_s"] * 1000 / max(1, result["broadcasts"]), 5000, **_own(500)),
    ),
    *(
        Target(
            f"16 KB compressed, {clients:,} clients: ÷ Nchan",
            1.2,
            _ratio("spot", "nchan", clients, kilobytes=16, deflate=True),
        )
        for clients in (1000, 5000)
    ),
    *(
        Target(
            f"16 KB compressed, 1,000 clients: ÷ {title}",
            0.1,
            _ratio("spot", name, 1000, kilobytes=16, deflate=True),
        )
        for name, title in (("ws", "Node ws"), ("websockets", "websockets"), ("plain", "plain Channels, uvicorn"))
    ),
    Target("16 KB, 1,000 clients: server-sent events ÷ sockets", 1.2, _ratio("spot-sse", "spot", 1000, kilobytes=16)),
    Target("16 KB, 1,000 clients: scraped each second ÷ not", 1.02, _ratio("spot-scraped", "spot", 1000, kilobytes=16)),
    # Together they then send 1.8 times as much on two cores.
    Target("16 KB, 5,000 clients: two web processes ÷ one", 1.11, _ratio("spot-two", "spot", 5000, kilobytes=16)),
    Target("500 coins: from a provider's answer to the last of 1,000 clients, ms", 100, _flow),
    Target("16 KB, 1,000 clients: the stream ÷ sockets", 1.2, _ratio("spot-stream", "spot", 1000, kilobytes=16)),
    Target(
        "16 KB, 1,000 clients: the stream, different ids ÷ sockets",
        1.5,
        _ratio("spot-stream-ids", "spot", 1000, kilobytes=16),
    ),
    Target("a query on 20,000 coins, page of 20, encoded, µs", 50, _query_us),
    Target(
        "a change of 15 % of the rows: bytes ÷ the full frame",
        0.05,
        lambda results: None if results.delta is None else results.delta[0] / results.delta[1],
    ),
    Target("20 rows over HTTP: ÷ bare ASGI", 4, lambda results: http.ratio(results.http, 0) if results.http else None),
    Target("304 by ETag: ÷ bare ASGI", 3, lambda results: http.ratio(results.http, 1) if results.http else None),
    *(
        Target(f"CoinGecko's {kind.title}: {one} ÷ {other}", most, _rest(kind, one, other))
        for other, most in ((rest.BARE, 5), (rest.DJANGO, 0.1))
        for kind in rest.KINDS
        for one in ((rest.SPOT, rest.CHANGING) if kind.moves else (rest.SPOT,))
    ),
    Target("5,000 clients connected and served, s", 3, _value("first_s", 5000, kilobytes=16)),
    Target("KB per idle connection, 5,000 clients", 16, _value(idle_kb, 5000, kilobytes=16)),
    Target(
        "a client that never reads: KB of memory ÷ KB of a frame",
        2,
        lambda results: None if results.slow is None else results.slow["grown_kb"] / results.slow["mutes"] / 128,
    ),
    Target(
        "and is gone after, s (10 s, 1 s to read why; two frames fit before)",
        12.5,
        lambda results: None if results.slow is None else results.slow["gone_s"],
    ),
)


def target_table(results: Results) -> str:
    """Each target, what was measured, met or not."""
    lines, open_ones = [], []
    for target in TARGETS:
        value = target.value(results)
        if value is None:
            open_ones.append(target.words)
            continue
        digits = 3 if target.most < 0.2 else 2 if target.most < 10 else 1
        verdict = "met" if value <= target.most else "**not met**"
        lines.append([target.words, _number(value, digits), f"≤ {target.most:g}", verdict])
    table = _table(("target", "measured", "wanted", ""), lines)
    return table + (f"\n\nNot measured in this run: {'; '.join(open_ones)}." if open_ones else "")


# --- the whole --------------------------------------------------------------------------------------------------------


def http_table(results: Results) -> str:
    """A feed over HTTP, in microseconds of CPU per request."""
    lines = []
    for place, kind in enumerate(http.KINDS):
        medians = [
            _number(statistics.median(costs[place] for costs in rounds)) if rounds else ""
            for rounds in results.http.values()
        ]
        lines.append([kind, *medians, _number(http.ratio(results.http, place), 2)])
    return _table(("CPU µs / request", *results.http, "Spot ÷ bare ASGI"), lines)


def rest_table(costs: rest.Costs) -> str:
    """CoinGecko's REST API, in microseconds of CPU per request, and per version with one answer of it."""
    head = (
        "CPU µs / request", *rest.SERVERS, "Spot ÷ bare ASGI", "Spot ÷ Django view", "Spot, a version and one answer",
        "bytes",
    )  # fmt: skip
    lines = []
    for kind, size in costs.sizes.items():
        version = costs.version.get(kind)
        line = [kind.title, *(_number(costs.median(kind, server)) for server in rest.SERVERS)]
        line += [_number(costs.ratio(kind, rest.SPOT, other), 3) for other in (rest.BARE, rest.DJANGO)]
        lines.append([*line, _number(statistics.median(version), 0) if version else "", f"{size:,}"])
    return _table(head, lines)


def query_tables(results: Results) -> str:
    """The query side, in microseconds."""
    parts = []
    for title, lines in results.queries:
        head = (f"{title}, µs", "Spot", "list of dicts", "numpy, nothing kept")
        parts.append(_table(head, ([what, *(_number(value) for value in values)] for what, *values in lines)))
    if results.delta:
        parts.append(
            f"A change of 15 % of 250 rows is {results.delta[0]:,} bytes, the full frame {results.delta[1]:,}."
        )
    return "\n\n".join(parts)


def whole(results: Results, machine: str, rounds: int, minutes: float) -> str:
    """Everything, as Markdown."""
    parts = [f"{machine} {rounds} rounds in {minutes:.0f} minutes.", *results.notes]
    parts += ["### Targets", target_table(results), "### Fan-out"]
    parts += [case_table(results, case) for case in results.cases()]
    if results.slow:
        slow = results.slow
        parts.append(
            f"**Clients that never read.** {slow['mutes']} of 1,000 clients, 128 KB frames four times a second: the "
            f"web process grew by {slow['grown_kb']:,} KB, the last of them was gone after "
            f"{_number(slow['gone_s'])} s, and the others had their frames after {slow['p50_ms']} ms (median)."
        )
    if results.http:
        parts += ["### A feed over HTTP", http_table(results)]
    if results.rest:
        parts += ["### CoinGecko's REST API", rest_table(results.rest)]
    parts += ["### The query side", query_tables(results)]
    return "\n\n".join(parts)


def write(path: Path, text: str) -> None:
    """Put the results between the document's two marks."""
    document = path.read_text()
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
