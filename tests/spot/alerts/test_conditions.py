"""Conditions: the cases that the page has too, and what holds of every sequence of answers."""

import json
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot.alerts.conditions import MOST_ROWS, Answer, Condition, Firing, State, step

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("cases.json").read_text())
KEYS = ("btc", "eth")


def answer_of(raw: dict[str, Any]) -> Answer:
    return Answer(**{"source": "a", **raw, "missing": frozenset(raw.get("missing", ()))})


def fired(condition: Condition, answers: list[Answer], *, restart: bool = False) -> list[tuple[int, Firing]]:
    """What fires, with the number of the answer; `restart`: the state is written down and read between answers."""
    state, found = State(), []
    for index, answer in enumerate(answers):
        state, firings = step(condition, state, answer)
        if restart:
            samples = orjson.loads(orjson.dumps(state.samples))
            state = State(**orjson.loads(orjson.dumps(state.stored())), samples=samples)
        found += [(index, firing) for firing in firings]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    found = fired(Condition(**case["condition"]), list(map(answer_of, case["answers"])))
    assert [[index, firing.key, firing.event] for index, firing in found] == case["fires"]


def test_a_change_says_from_where_and_how_far() -> None:
    answers = [Answer(at=0, values={"btc": 100.0}), Answer(at=10, values={"btc": 90.0})]
    assert fired(Condition(kind="change", value=5, window_ms=60_000), answers) == [
        (1, Firing("btc", "down", 100.0, -10.0))
    ]


def test_the_samples_of_a_long_window_are_few() -> None:
    condition, state = Condition(kind="change", value=5, window_ms=86_400_000), State()
    for minute in range(2000):
        state = step(condition, state, Answer(at=minute * 60_000, values={"btc": 100.0})).state
    assert len(state.samples["btc"]) <= 31


def test_rows_of_long_ago_are_forgotten() -> None:
    condition, state = Condition(kind="above", value=5), State()
    for turn in range(30):
        state = step(condition, state, Answer(at=turn, values={f"{turn}-{n}": 1.0 for n in range(100)})).state
    assert len(state.sides) == MOST_ROWS
    assert "29-0" in state.sides


values = st.one_of(st.none(), st.floats(90, 110), st.just(float("nan")))
conditions = st.builds(
    Condition,
    kind=st.sampled_from(["above", "below", "change", "enters", "leaves", "stale"]),
    value=st.sampled_from([3.0, 100.0]),
    window_ms=st.sampled_from([10_000, 60_000]),
    direction=st.sampled_from(["up", "down", "either"]),
    hysteresis=st.sampled_from([0.0, 2.0]),
    confirm=st.integers(1, 3),
    cooldown_ms=st.sampled_from([0, 5000]),
    recovery=st.booleans(),
    simulated=st.booleans(),
)
facts = st.fixed_dictionaries(
    {
        "values": st.dictionaries(st.sampled_from(KEYS), values),
        "missing": st.frozensets(st.sampled_from(KEYS)),
        "source": st.sampled_from(["a", "a", "a", "b"]),
        "simulated": st.sampled_from([False, False, False, True]),
        "stale": st.booleans(),
    }
)


def answers_of(parts: list[tuple[int, dict[str, Any]]]) -> list[Answer]:
    """Answers with these waits before them."""
    return [Answer(at=at, **raw) for at, (_, raw) in zip(accumulate(wait for wait, _ in parts), parts, strict=True)]


sequences = st.lists(st.tuples(st.integers(1, 9000), facts), max_size=20).map(answers_of)


@given(conditions, sequences)
def test_what_fires_has_an_answer_of_the_same_origin_before(condition: Condition, answers: list[Answer]) -> None:
    seen = [answer for answer in answers if condition.simulated or not answer.simulated]
    for index, _ in fired(condition, answers):
        place = seen.index(answers[index])
        assert place > 0
        before, now = seen[place - 1], seen[place]
        assert before.simulated == now.simulated
        assert condition.kind == "stale" or before.source == now.source


@given(conditions, sequences)
def test_a_row_rests_after_it_fired(condition: Condition, answers: list[Answer]) -> None:
    last: dict[str, int] = {}
    for index, firing in fired(condition, answers):
        if firing.event == "recovered":
            continue
        at = answers[index].at
        assert at - last.get(firing.key, -condition.cooldown_ms) >= condition.cooldown_ms
        last[firing.key] = at


@given(conditions, sequences)
def test_a_restart_changes_nothing(condition: Condition, answers: list[Answer]) -> None:
    assert fired(condition, answers, restart=True) == fired(condition, answers)


@given(conditions.filter(lambda one: one.kind not in ("stale", "change")), sequences, st.integers(0, 20))
def test_an_answer_of_missing_data_changes_nothing(condition: Condition, answers: list[Answer], place: int) -> None:
    before = answers[max(0, place - 1) : place]
    if not before:
        return
    empty = Answer(at=before[0].at, missing=frozenset(KEYS), source=before[0].source, simulated=before[0].simulated)
    found = fired(condition, [*answers[:place], empty, *answers[place:]])
    assert [(index - (index > place), firing) for index, firing in found] == fired(condition, answers)


@given(st.lists(st.floats(90, 110), max_size=30), st.sampled_from([0.0, 1.0, 5.0]))
def test_above_by_hand(prices: list[float], hysteresis: float) -> None:
    """A row fires where it reaches 100 after its last value that was as far below as the hysteresis asks."""
    expected, armed = [], bool(prices) and prices[0] < 100
    for index, price in enumerate(prices[1:], 1):
        if armed and price >= 100:
            expected.append(index)
            armed = False
        elif price < 100 and price <= 100 - hysteresis:
            armed = True
    answers = [Answer(at=n, values={"btc": price}) for n, price in enumerate(prices)]
    found = fired(Condition(kind="above", value=100, hysteresis=hysteresis), answers)
    assert [index for index, _ in found] == expected


@given(st.lists(st.tuples(st.integers(1, 20_000), st.floats(50, 150)), max_size=30))
def test_a_move_fires_only_if_it_was_one(steps: list[tuple[int, float]]) -> None:
    answers = answers_of([(wait, {"values": {"btc": price}}) for wait, price in steps])
    for index, firing in fired(Condition(kind="change", value=5, window_ms=60_000), answers):
        now = answers[index]
        window = [one.values["btc"] for one in answers[:index] if now.at - one.at <= 60_000]
        assert firing.base in window
        assert firing.percent is not None
        assert abs(firing.percent) > 5
