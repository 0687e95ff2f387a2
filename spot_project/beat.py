"""Celery's beat with support for clocks that are set back.

Celery records the last run of an entry by the wall clock. With a clock set back by an hour, it would start nothing for
an hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler

#: How far clocks may differ.
_SLACK = timedelta(seconds=60)


class Scheduler(PersistentScheduler):
    """A scheduler for which an entry that ran in the future is due now."""

    def tick(self, *args: Any, **options: Any) -> float:
        """Start due entries; the seconds until the next call."""
        now = self.app.now()
        for entry in self.schedule.values():
            if entry.last_run_at > now + _SLACK:
                entry.last_run_at = now
                self._heap = None  # it is ordered by the former clock
        return float(super().tick(*args, **options))
