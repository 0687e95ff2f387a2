"""The Celery application and its periodic tasks.

Beat only triggers: the task (`spot.ingest.tasks.tick`) decides what is due and what it may cost, so that a second beat,
or a backlog after an outage, changes nothing.
"""

import os
import time

from celery import Celery
from celery.signals import (
    beat_init,
    celeryd_init,
    heartbeat_sent,
    setup_logging,
    task_postrun,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
)
from kombu.transport import TRANSPORT_ALIASES

from providers import tracing
from spot.ingest import measuring  # noqa: F401 - importing connects it to the signals of tasks
from spot.processes import sign_of_life, telemetry
from spot.tidying import Tidying

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")

TRANSPORT_ALIASES["gateway"] = "spot_project.celery_redis:Transport"

app = Celery("spot", amqp="spot_project.celery_redis:Amqp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["spot.ingest"])


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Keep Django's LOGGING: Celery does not configure logging when a receiver of this signal exists."""


@celeryd_init.connect
def _begin_worker(**_: object) -> None:
    telemetry.begin("worker")


@beat_init.connect
def _begin_beat(**_: object) -> None:
    telemetry.begin("beat")


@heartbeat_sent.connect
def _live(**_: object) -> None:
    """The worker's own loop runs; it calls this every two seconds."""
    sign_of_life.give()


@worker_shutdown.connect
def _leave(**_: object) -> None:
    sign_of_life.withdraw()


@worker_process_init.connect
def _tidy_after_tasks(**_: object) -> None:
    """A fetch takes some 20 MB for a moment, which the allocator would keep."""
    tidying = Tidying(time.monotonic)

    @task_postrun.connect(weak=False)
    def tidy(**_: object) -> None:
        tidying.turn()


@worker_process_shutdown.connect
def _end_worker(**_: object) -> None:
    tracing.flush(1.0)
