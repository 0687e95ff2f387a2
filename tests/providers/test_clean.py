import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.clean import Cleaner, link, text

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(ANY_JSON)
def test_a_number_is_finite_not_negative_and_encodable_or_nothing(value: object) -> None:
    made = Cleaner().number(value)
    assert made is None or (math.isfinite(made) and made >= 0)
    orjson.dumps(made)


@given(ANY_JSON)
def test_a_text_is_printable_short_and_encodable(value: object) -> None:
    made = text(value)
    assert len(made) <= 300
    assert made.isprintable()
    orjson.dumps(made)


@pytest.mark.parametrize("value", [0, 1, 2.5, 2.7452e-7, 2**53, 1e300])
def test_a_sane_number_stays_exactly_what_it_is(value: float) -> None:
    cleaner = Cleaner()
    assert cleaner.number(value) == value
    assert type(cleaner.number(value)) is type(value)
    assert cleaner.blanked == 0


def test_null_is_no_fault_and_anything_else_that_is_no_number_is() -> None:
    cleaner = Cleaner()
    assert [cleaner.number(value) for value in (None, "1", True, math.nan, -1)] == [None] * 5
    assert cleaner.blanked == 4
    assert cleaner.number(-1, signed=True) == -1


@pytest.mark.parametrize(
    ("value", "millis"),
    [
        ("2026-10-07T08:08:36.321Z", 1791360516321),
        ("2026-10-07T10:08:36+02:00", 1791360516000),
        ("2026-10-07", 1791331200000),
        ("yesterday", None),
        (1791360516, None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2008-06-01", None),
    ],
)
def test_a_time_becomes_epoch_milliseconds_or_nothing(value: object, millis: int | None) -> None:
    assert Cleaner().millis(value) == millis


def test_names_keep_their_letters_and_lose_what_cannot_be_seen() -> None:
    assert text("\u200b\u200bStable") == "Stable"
    assert text("币安人生 🦝 Old • Fund") == "币安人生 🦝 Old • Fund"
    assert text("a\r\nb\0") == "ab"


@pytest.mark.parametrize(
    "value", ["http://x/y.png", "javascript:alert(1)", "data:image/png;base64,x", "missing", None, 7]
)
def test_only_https_is_a_link(value: object) -> None:
    assert link(value) == ""
    assert link("https://x/y.png?1") == "https://x/y.png?1"


_NUMBERS = st.one_of(
    st.floats(), st.integers(), st.integers(min_value=10**15), st.just(10**400), st.booleans(), st.none(), st.text()
)


@given(st.one_of(st.lists(st.floats(min_value=0, max_value=1e6), max_size=5), st.lists(_NUMBERS, max_size=5)))
def test_a_list_has_what_each_of_its_values_would_give(values: list[object]) -> None:
    alone, together = Cleaner(), Cleaner()
    expected = [number for value in values if (number := alone.number(value)) is not None]
    found = together.numbers(values)
    assert [(type(number), number) for number in found] == [(type(number), number) for number in expected]
    assert together.blanked == alone.blanked


@given(st.lists(_NUMBERS, max_size=4), st.booleans())
def test_figures_are_what_each_alone_would_be(values: list[object], signed: bool) -> None:
    raw = {f"their_{at}": value for at, value in enumerate(values)}
    names = {f"our_{at}": f"their_{at}" for at in range(len(values) + 1)}
    alone, together = Cleaner(), Cleaner()
    expected = {ours: alone.number(raw.get(theirs), signed=signed) for ours, theirs in names.items()}
    found = together.figures(raw, names, signed=signed)
    assert [(name, type(one), one) for name, one in found.items()] == [
        (name, type(one), one) for name, one in expected.items()
    ]
    assert together.blanked == alone.blanked
