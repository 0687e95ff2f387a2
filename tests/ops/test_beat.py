"""Beat goes on when the clock is set back."""

from datetime import timedelta

import pytest
from celery import Celery

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
