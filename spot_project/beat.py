"""Celery's beat, for clocks that are set back.

Celery notes by the wall clock when an entry ran last. Set back by an hour, it would start nothing for an hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler

#: How far clocks may differ.
_SLACK = timedelta(seconds=60)


class Scheduler(PersistentScheduler):
    """The entries of the schedule; what ran later than now is due now."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Start what is due; the seconds until the next look."""
        now = self.app.now()
        for entry in self.schedule.values():
            if entry.last_run_at > now + _SLACK:
                entry.last_run_at = now
                self._heap = None  # it is ordered by the former clock
        return float(super().tick(*args, **options))
