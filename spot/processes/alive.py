"""Whether the worker or a stream process is alive, for containers without a web server: `manage.py alive`.

An engine asks every half minute, of several containers at once, so that Django is not set up and no setting is read but
the address of Redis.
"""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from providers.streams import stream_state
from spot import signs
from spot_project import environment, whereabouts
from spot_project.redis_connections import Server

#: By part: reads when it was last alive, and the problem with one that was not.
PARTS: dict[str, tuple[Callable[[redis.Redis], int | None], str]] = {
    "worker": (signs.worker_seen_ms, "No worker has run a task lately."),
    "stream": (stream_state.seen_ms, "No stream process was alive lately."),
}


def problem(client: redis.Redis, part: str) -> str:
    """Why a part does not count as alive, as a sentence; "" when it does."""
    read, silent = PARTS[part]
    try:
        seen = read(client)
    except (RedisError, OSError) as error:
        return f"Redis does not answer: {type(error).__name__}"
    return silent if seen is None or signs.now_ms() - seen > signs.SILENT_MS else ""


def main(arguments: list[str]) -> str:
    """Answer `manage.py alive [worker|stream]`: the problem as the text to exit with, "" for none."""
    part = arguments[0] if arguments else "worker"
    if len(arguments) > 1 or part not in PARTS:
        return f"manage.py alive: {' '.join(arguments)} is no part. There are: {', '.join(PARTS)}."
    env = environment.of_this_process()
    try:
        server = Server(whereabouts.redis(env, whereabouts.home(env)))
    except ImproperlyConfigured as error:
        return f"Spot's settings: {error}"
    with server.client() as client:
        return problem(client, part)
