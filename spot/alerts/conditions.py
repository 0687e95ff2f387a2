"""Conditions on successive answers of a view: a state machine for each row. Pure; the page has the same in JavaScript
(`spot/frontend/src/alerts/conditions.js`), held to this one by a shared table of cases.

The first answer fires nothing, nor does the first one of another source or realm: it only sets where each row stands.
A missing value changes nothing. Times are epoch milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

Kind = Literal["above", "below", "change", "enters", "leaves", "stale"]
Direction = Literal["up", "down", "either"]

#: Kinds that compare a field of each row, and those that watch which rows are in the result.
NUMERIC: tuple[Kind, ...] = ("above", "below", "change")
MEMBERSHIP: tuple[Kind, ...] = ("enters", "leaves")
#: A window is sampled in so many parts, of each of which the lowest and the highest value are stored.
PARTS = 30
#: The most rows whose state is stored; rows of the newest answer stay.
MOST_ROWS = 2000
#: The key of a condition on the view itself.
VIEW = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition on the rows of a view.

    `value` is the threshold of `above` and `below`, and the percentage of `change` within `window_ms`. `hysteresis` is
    in percent of `value`: so far must a row go back before it can fire again. `confirm` is the number of answers in a
    row that must agree before a row has entered or left. A row fires at most once per `cooldown_ms`. `recovery`: the
    end of staleness fires too. `simulated`: fires on simulated data.
    """

    kind: Kind
    value: float = 0.0
    window_ms: int = 0
    direction: Direction = "either"
    hysteresis: float = 0.0
    confirm: int = 1
    cooldown_ms: int = 0
    recovery: bool = False
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of the view. `values`: by row, the value of the condition's field (None: no value). `missing`: rows
    whose absence says nothing, since their data are missing."""

    at: int
    values: Mapping[str, float | None] = field(default_factory=dict)
    missing: AbstractSet[str] = frozenset()
    source: str = ""
    simulated: bool = False
    stale: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a condition remembers between answers; JSON.

    `sides`: where each row stands. `fired`: when each last fired. `counts`: answers in a row that contradict the side.
    `samples`: of `change`, by row, parts of the window as [start, lowest, highest].
    """

    origin: str = ""
    sides: Mapping[str, str] = field(default_factory=dict)
    fired: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    samples: Mapping[str, list[list[float]]] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """The state without its samples, as JSON: what must survive so that nothing fires twice."""
        stored = asdict(self)
        del stored["samples"]
        return stored


class Firing(NamedTuple):
    """A row that fulfilled the condition. `event`: above, below, up, down, entered, left, stale, recovered. `base` and
    `percent`: of a change, the value that it is measured from, and its size."""

    key: str
    event: str
    base: float | None = None
    percent: float | None = None


class Step(NamedTuple):
    """The state after an answer, and what fired."""

    state: State
    firings: list[Firing]


def step(condition: Condition, state: State, answer: Answer) -> Step:
    """The state after that answer, and the rows that fire, in the answer's order."""
    if answer.simulated and not condition.simulated:
        return Step(state, [])
    origin = _origin(condition, answer)
    known = state.origin == origin
    if not known:
        state = replace(state, origin=origin, counts={}, samples={})
    draft = _Draft(condition, state, answer)
    moved = _MOVES[condition.kind](draft, known)
    firings = [firing for firing in moved if known and draft.fire(firing)]
    return Step(draft.state(origin), firings)


def _origin(condition: Condition, answer: Answer) -> str:
    """The realm and source of an answer. A source that takes over from a stale one is a recovery, so only the realm
    counts there."""
    realm = "simulated" if answer.simulated else "live"
    return realm if condition.kind == "stale" else f"{realm}:{answer.source}"


class _Draft:
    """A state that is being changed by one answer."""

    def __init__(self, condition: Condition, state: State, answer: Answer) -> None:
        self.condition, self.answer = condition, answer
        self.sides, self.fired, self.counts = dict(state.sides), dict(state.fired), dict(state.counts)
        self.samples = dict(state.samples)

    def fire(self, firing: Firing) -> bool:
        """Note that a row fires, unless it rests."""
        if firing.event != "recovered":
            since = self.answer.at - self.fired.get(firing.key, -math.inf)
            if 0 <= since < self.condition.cooldown_ms:
                if firing.event == "stale":
                    self.sides[VIEW] = "stale in silence"
                return False
            self.fired[firing.key] = self.answer.at
        return True

    def state(self, origin: str) -> State:
        """The state after the answer, without what no longer counts."""
        at, rest = self.answer.at, self.condition.cooldown_ms
        fired = {key: then for key, then in self.fired.items() if 0 <= at - then < rest}
        present = self.answer.values.keys() | {VIEW}
        excess = len(self.sides) - MOST_ROWS
        for key in [key for key in self.sides if key not in present][: max(0, excess)]:
            del self.sides[key]
        samples = {key: parts for key, parts in self.samples.items() if key in self.sides}
        return State(origin, self.sides, fired, self.counts, samples)

    def agreed(self, key: str) -> bool:
        """Count one more answer that contradicts a row's side; whether they are enough."""
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.counts[key] < self.condition.confirm:
            return False
        del self.counts[key]
        return True

    def numbers(self) -> Iterator[tuple[str, float]]:
        """The rows that have a value."""
        for key, value in self.answer.values.items():
            if value is not None and math.isfinite(value):
                yield key, value

    def forget_others(self, known: bool) -> None:
        """After a change of source, forget the rows that the new one has not given a value of."""
        if not known:
            valued = dict(self.numbers())
            self.sides = {key: side for key, side in self.sides.items() if key in valued}


def _crossed(draft: _Draft, known: bool) -> Iterator[Firing]:
    """Rows that crossed the threshold since their last value."""
    draft.forget_others(known)
    condition = draft.condition
    sign = 1 if condition.kind == "above" else -1
    margin = abs(condition.value) * condition.hysteresis / 100
    for key, value in draft.numbers():
        beyond, side = sign * (value - condition.value), draft.sides.get(key)
        if beyond >= 0:
            draft.sides[key] = "on"
            if side == "off":
                yield Firing(key, condition.kind)
        elif side is None or beyond <= -margin:
            draft.sides[key] = "off"


def _changed(draft: _Draft, known: bool) -> Iterator[Firing]:
    """Rows that moved by more than the percentage, measured from the lowest or highest value within the window."""
    if not known:
        draft.sides = {}
    condition, at = draft.condition, draft.answer.at
    ways = ("up", "down") if condition.direction == "either" else (condition.direction,)
    for key, value in draft.numbers():
        parts = [part for part in draft.samples.get(key, []) if at - condition.window_ms <= part[0] <= at]
        moves = {way: _move(way, parts, value) for way in ways}
        side = draft.sides.get(key, "off")
        reached = max(ways, key=lambda way: moves[way][1])
        if moves[reached][1] > condition.value and side != reached:
            side = reached
            base, size = moves[reached]
            yield Firing(key, reached, base, size if reached == "up" else -size)
        elif side in moves and moves[side][1] <= condition.value * (1 - condition.hysteresis / 100):
            side = "off"
        draft.sides[key] = side
        draft.samples[key] = _sampled(parts, at, value, max(1, condition.window_ms // PARTS))


def _move(way: str, parts: list[list[float]], value: float) -> tuple[float, float]:
    """The value that a move that way is measured from, and its size in percent; 0 where there is none."""
    if not parts:
        return value, 0.0
    base = min(part[1] for part in parts) if way == "up" else max(part[2] for part in parts)
    if base <= 0:
        return base, 0.0
    return base, max(0.0, (value - base if way == "up" else base - value) / base * 100)


def _sampled(parts: list[list[float]], at: int, value: float, width: int) -> list[list[float]]:
    """The parts of the window with one more value."""
    if parts and at - parts[-1][0] < width:
        start, low, high = parts[-1]
        return [*parts[:-1], [start, min(low, value), max(high, value)]]
    return [*parts, [at, value, value]]


def _membership(draft: _Draft, known: bool) -> Iterator[Firing]:
    """Rows that entered or left the result."""
    present, condition = draft.answer.values, draft.condition
    for key in present:
        if key in draft.sides:
            draft.counts.pop(key, None)
        elif not known or draft.agreed(key):
            draft.sides[key] = "in"
            if condition.kind == "enters":
                yield Firing(key, "entered")
    for key in [key for key in draft.sides | draft.counts if key not in present]:
        if key in draft.answer.missing:
            continue
        if key not in draft.sides:
            draft.counts.pop(key, None)  # it was about to enter
        elif not known or draft.agreed(key):
            del draft.sides[key]
            if condition.kind == "leaves":
                yield Firing(key, "left")


def _staleness(draft: _Draft, known: bool) -> Iterator[Firing]:
    """The view when it goes stale, and when it recovers."""
    side, stale = draft.sides.get(VIEW), draft.answer.stale
    if stale and side in (None, "fresh"):
        draft.sides[VIEW] = "stale" if known else "stale in silence"
        yield Firing(VIEW, "stale")
    elif not stale:
        draft.sides[VIEW] = "fresh"
        if side == "stale" and draft.condition.recovery:
            yield Firing(VIEW, "recovered")


_MOVES = {
    "above": _crossed,
    "below": _crossed,
    "change": _changed,
    "enters": _membership,
    "leaves": _membership,
    "stale": _staleness,
}
