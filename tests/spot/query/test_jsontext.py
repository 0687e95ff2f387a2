from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

from spot.query.jsontext import JsonText, dumps, dumps_row


def test_text_that_is_json_already_is_spliced_in() -> None:
    assert orjson.loads(dumps({"chart": JsonText("[1,2,3]")})) == {"chart": [1, 2, 3]}
    assert dumps(("BTC", JsonText("[1,2,3]"), None)) == b'["BTC",[1,2,3],null]'


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"when": object()})


def test_texts_of_any_length_leave_the_memory_of_the_process_whole() -> None:
    """In a process of its own: with orjson's fragments this ended it, or spoilt what lay beside."""
    script = """
import random
from spot.query.jsontext import JsonText, dumps, dumps_row
chance, kept = random.Random(7), []
for length in range(1, 5000):
    text = JsonText("[" + "1" * length + "]")
    numbers = [chance.random() * 1e9 for _ in range(chance.randrange(9))]
    kept.append(dumps(("BTC", 86628.5, text, *numbers, None, text)))
    assert kept[-1].count(text.encode()) == 2
print(len(kept))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "4999"


@pytest.mark.parametrize("text", [None, JsonText("[1,2,3]"), JsonText("[]")])
@pytest.mark.parametrize("more", [(), (1.5,), ("x", None, 2)])
def test_a_row_is_encoded_as_anything_else_is(text, more) -> None:
    row = ("BTC", 1.25, text, *more)
    assert dumps_row(row, 2) == dumps(row)


def test_a_text_is_not_mistaken_for_the_mark_of_another() -> None:
    assert dumps([JsonText('"a"'), "b", {"c": JsonText("1"), "d": JsonText("[]")}]) == b'["a","b",{"c":1,"d":[]}]'
    with pytest.raises(TypeError):
        dumps([object()])
