"""Any messages for the dialects of other protocols."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.spot.query.test_query import json_values
from tests.spot.sockets import Closed, Socket, put_everything, run

#: Messages of one example, which shares a hub.
_TOGETHER = 20


def any_message(*fields: str, **known: list[Any]) -> st.SearchStrategy[str | bytes]:
    """Texts, bytes, and objects that have some of these fields; `known`: likely values of some."""
    pairs = [
        st.tuples(st.just(name), st.sampled_from(known[name]) | json_values if name in known else json_values)
        for name in (*fields, "other")
    ]
    objects = st.lists(st.one_of(pairs), max_size=5).map(lambda chosen: json.dumps(dict(chosen)))
    return st.one_of(objects, json_values.map(json.dumps), st.text(max_size=30), st.binary(max_size=30))


def survives(
    request: pytest.FixtureRequest,
    path: str,
    messages: st.SearchStrategy[str | bytes],
    is_own: Callable[[bytes], bool],
) -> None:
    """Fail for a message that ends the connection silently, raises, or gets a frame of another protocol."""
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.large_base_example]
    count = max(3, request.config.getoption("--fuzz") // 10 // _TOGETHER)

    @settings(max_examples=count, deadline=None, suppress_health_check=quiet, database=None)
    @given(st.lists(messages, min_size=_TOGETHER, max_size=_TOGETHER))
    def fuzz(sent: list[str | bytes]) -> None:
        with structlog.testing.capture_logs() as logs:
            run(_say(path, sent, is_own))
        assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]

    fuzz()


async def _say(path: str, sent: list[str | bytes], is_own: Callable[[bytes], bool]) -> None:
    await put_everything()
    waiting = list(sent)
    while waiting:
        async with Socket("", path=path) as socket:
            while waiting:
                message = waiting.pop()
                await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send(message))
                if (reason := await _heard(socket, is_own)) is not None:
                    assert reason, f"closed without a word after {message!r}"
                    break


async def _heard(socket: Socket, is_own: Callable[[bytes], bool]) -> str | None:
    """Hold what has come against the protocol; the reason of a close, if one has come."""
    with suppress(TimeoutError):
        try:
            while not await socket.silent(0.002):
                assert is_own((await socket.text()).encode())
        except Closed as closed:
            return closed.reason
    return None
