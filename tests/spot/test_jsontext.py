from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot.jsontext import JsonText, dumps, dumps_each

TEXTS = st.text() | st.sampled_from(["],\n,[", '"],["', "\n"])
SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False) | TEXTS
LISTS = st.lists(st.lists(SCALARS, min_size=1, max_size=4).map(tuple), max_size=6)
OBJECTS = st.lists(st.dictionaries(st.text(), SCALARS, min_size=1, max_size=4), max_size=6)


@given(LISTS)
def test_each_list_is_what_it_is_alone(values: list[tuple[object, ...]]) -> None:
    assert dumps_each(values) == [dumps(value) for value in values]
    assert dumps_each(values, b"[") == [dumps(value)[1:] for value in values]


@given(OBJECTS)
def test_each_object_is_what_it_is_alone(values: list[dict[str, object]]) -> None:
    assert dumps_each(iter(values)) == [dumps(value) for value in values]
    assert dumps_each(iter(values), b"{") == [dumps(value)[1:] for value in values]


def test_text_that_is_json_already_is_spliced_in() -> None:
    chart = JsonText("[1,2,3]")
    assert orjson.loads(dumps({"chart": chart})) == {"chart": [1, 2, 3]}
    assert dumps_each([("BTC", chart), ("ETH", None)]) == [b'["BTC",[1,2,3]]', b'["ETH",null]']


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"when": object()})
