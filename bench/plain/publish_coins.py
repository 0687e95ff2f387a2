"""Sends every coin's message to the plain application's group of that coin, for each byte on standard input."""

import asyncio
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.plain.settings")
django.setup()

from channels.layers import get_channel_layer  # noqa: E402  Django must be set up first

from bench.coins import NAMES, message  # noqa: E402


async def publish(step: int) -> None:
    """The message of every coin to its group, one after the other."""
    layer = get_channel_layer()
    for place, name in enumerate(NAMES):
        text = message(name, 1.0 + place + step / 1000).decode()
        await layer.group_send(name, {"type": "coin.price", "text": text})


def main() -> None:
    """Publish until the input ends."""
    print("ready", flush=True)
    step = 0
    with asyncio.Runner() as runner:
        while os.read(0, 1):
            step += 1
            runner.run(publish(step))


if __name__ == "__main__":
    main()
