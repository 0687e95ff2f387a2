"""How Celery connects."""

from types import SimpleNamespace
from typing import Any

import pytest

from spot_project.celery import app


def test_a_connection_that_is_lost_is_tried_again_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[tuple[Any, ...]] = []

    def tried(*given: Any, **_: Any) -> None:
        pauses.append(given[6:9])

    monkeypatch.setattr("kombu.connection.retry_over_time", tried)
    app.connection_for_read().ensure_connection(None, 3)
    assert pauses == [(1, 0, 1)]


def test_a_message_whose_connection_is_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.connection.retry_over_time", lambda *_, **__: None)
    connection = app.connection_for_write()
    monkeypatch.setattr(type(connection), "default_channel", None)
    tries: list[str] = []

    def send() -> str:
        tries.append("sent")
        if len(tries) == 1:
            raise connection.recoverable_connection_errors[0]
        return tries[-1]

    assert connection.ensure(SimpleNamespace(revive=lambda _channel: None), send)() == "sent"
    assert len(tries) == 2
