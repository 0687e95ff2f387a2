from __future__ import annotations

import orjson
import pytest

from spot.jsontext import JsonText, dumps


def test_text_that_is_json_already_is_spliced_in() -> None:
    assert orjson.loads(dumps({"chart": JsonText("[1,2,3]")})) == {"chart": [1, 2, 3]}
    assert dumps(("BTC", JsonText("[1,2,3]"), None)) == b'["BTC",[1,2,3],null]'


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"when": object()})
