"""`manage.py stream`: keeps the providers' streams open, and shows what they bring."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

import redis.asyncio
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

import providers
from providers.base import Provider
from providers.budget import Budget, connection
from providers.streams import stream_state
from providers.streams.worker import Worker
from spot.ingest.streams import Streams
from spot.snapshots import now_ms

#: A sign of life every so many seconds.
BEAT_SECONDS = 5.0
#: For closing connections and giving up the lead; the supervisor waits a little longer.
ENDING_SECONDS = 2.5


class Command(BaseCommand):
    help = "Keep the streams of the providers named (default: all) open. Without a key for one it waits for one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="provider", help=", ".join(one.name for one in streaming()))

    def handle(self, *_args: Any, **options: Any) -> None:
        able = {one.name: one for one in streaming()}
        if unknown := [name for name in options["names"] if name not in able]:
            raise CommandError(f"{', '.join(unknown)}: no provider with a stream. There are: {', '.join(able)}.")
        chosen = [able[name] for name in options["names"] or able]
        # While the market shown is simulated, nothing real is asked for.
        asyncio.run(keep([] if settings.SPOT_DEMO == "on" else chosen))


def streaming() -> list[Provider]:
    """The providers that have a stream."""
    return [one for one in providers.all() if one.stream is not None]


async def keep(chosen: list[Provider]) -> None:
    """Run until SIGTERM or SIGINT; then show what was heard, close every connection and give up every lead."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    client, sink = settings.REDIS.async_blocking_client(connections=8, wait_s=5), Streams()
    workers = [Worker(one, sink, client, Budget(connection())) for one in chosen]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    tasks = [asyncio.create_task(task) for task in (ending.wait(), beat(client), sink.run())]
    try:
        done, _ = await asyncio.wait([*tasks, *running], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # what ends by itself, ends with an error
    finally:
        for worker in workers:
            worker.stop()
        if running:
            await asyncio.wait(running, timeout=ENDING_SECONDS)
        for task in tasks:
            task.cancel()
        await sink.flush()
        await client.aclose()


async def beat(client: redis.asyncio.Redis) -> None:
    """Show that this process is alive."""
    while True:
        try:
            await stream_state.mark(client, now_ms())
        except (RedisError, OSError):
            await asyncio.sleep(1)  # the workers say so
        else:
            await asyncio.sleep(BEAT_SECONDS)
