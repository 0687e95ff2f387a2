"""Beat goes on when the clock is set back."""

import os
from datetime import timedelta

import pytest
from celery import Celery
from redis import Redis

from spot import signs, snapshots
from spot_project.beat import Scheduler


def test_what_ran_later_than_now_is_started_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, sent = Celery("toy", set_as_current=False, broker="memory://"), []
    app.conf.beat_schedule = {"tick": {"task": "toy.tick", "schedule": 0.0}}
    scheduler = Scheduler(app, schedule_filename=str(tmp_path / "beat"))
    monkeypatch.setattr(scheduler, "apply_entry", lambda entry, producer=None: sent.append(entry.task))
    for entry in scheduler.schedule.values():
        entry.last_run_at = app.now() + timedelta(hours=1)
    for _ in range(2 * len(scheduler.schedule)):
        scheduler.tick()
    assert "toy.tick" in sent
    scheduler.close()


def test_a_beat_leaves_a_sign_and_logs_that_there_is_another(redis: Redis, tmp_path, caplog) -> None:
    app = Celery("toy", set_as_current=False, broker="memory://")
    scheduler = Scheduler(app, schedule_filename=str(tmp_path / "beat"))
    scheduler.tick()
    (ours,) = signs.running(redis, "beat")
    assert f"process {os.getpid()}" in ours
    assert "another beat" not in caplog.text
    signs.give(redis, "beat", "elsewhere process 7", snapshots.now_ms() - 1)
    scheduler._mark()
    scheduler._mark()
    assert caplog.text.count("another beat") == 1
    assert "elsewhere process 7" in caplog.text
    scheduler.close()


def test_a_second_beat_that_is_meant_to_run_is_not_logged(redis: Redis, tmp_path, caplog, settings) -> None:
    settings.SPOT_BEATS = 2
    scheduler = Scheduler(
        Celery("toy", set_as_current=False, broker="memory://"), schedule_filename=str(tmp_path / "beat")
    )
    signs.give(redis, "beat", "elsewhere process 7", snapshots.now_ms() - 60_000)
    scheduler._mark()
    assert "another beat" not in caplog.text
    signs.give(redis, "beat", "elsewhere process 8", snapshots.now_ms() - 60_000)
    scheduler._mark()
    assert "another beat" in caplog.text
    scheduler.close()
