"""`manage.py stream`: keeps the providers' streams open, and stores their data."""

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
from providers.counters import Reporter, process_facts, tell_soon
from providers.streams import stream_state
from providers.streams.worker import Worker
from spot.ingest.streams import Streams
from spot.processes import telemetry
from spot.snapshots import now_ms

#: Seconds between two marks that this process is alive.
BEAT_SECONDS = 5.0
#: For closing connections and releasing locks; the supervisor waits a little longer.
STOP_SECONDS = 2.5


class Command(BaseCommand):
    help = "Keep the streams of the providers named (default: all) open. A stream without a key waits for one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names", nargs="*", metavar="provider", help=", ".join(provider.name for provider in streaming())
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        streams = {provider.name: provider for provider in streaming()}
        if unknown := [name for name in options["names"] if name not in streams]:
            raise CommandError(f"{', '.join(unknown)}: no provider with a stream. There are: {', '.join(streams)}.")
        chosen = [streams[name] for name in options["names"] or streams]
        telemetry.begin("stream")
        # A demo uses no real provider.
        asyncio.run(run([] if settings.SPOT_DEMO == "on" else chosen))


def streaming() -> list[Provider]:
    """The providers that have a stream."""
    return [provider for provider in providers.all() if provider.stream is not None]


async def run(chosen: list[Provider]) -> None:
    """Run until SIGTERM or SIGINT; then store what is buffered, close every connection and release every lock."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    client, sink = settings.REDIS.async_blocking_client(connections=8, wait_s=5), Streams()
    workers = [Worker(provider, sink, client, Budget(connection())) for provider in chosen]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    tasks = [asyncio.create_task(task) for task in (stopping.wait(), beat(client), sink.run())]
    try:
        done, _ = await asyncio.wait([*tasks, *running], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a task that ends without a signal has failed: raise its error
    finally:
        for worker in workers:
            worker.stop()
        if running:
            await asyncio.wait(running, timeout=STOP_SECONDS)
        for task in tasks:
            task.cancel()
        await sink.flush()
        await client.aclose()


async def beat(client: redis.asyncio.Redis) -> None:
    """Mark regularly that this process is alive, and tell what it has counted."""
    reporter = Reporter("stream")
    while True:
        try:
            await stream_state.mark(client, now_ms())
            await tell_soon(client, reporter, process_facts(), now_ms())
        except (RedisError, OSError):
            await asyncio.sleep(1)  # the workers log it
        else:
            await asyncio.sleep(BEAT_SECONDS)
