"""How Celery connects."""

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
