"""Web processes that serve the product's application changed for a test: the one side in a module of its own, which
calls `serve`, the other in a fixture, which calls `serving`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def serve(server: str, changed: Callable[[Any], Any]) -> None:
    """Print the port, then serve the product's application, as `changed` returns it."""
    import django

    django.setup()
    from spot.server import listening

    application = listening.asgi_application("spot_project.asgi.application", [])
    listener = listening.listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    listening.serve(server, changed(application), listener)


@contextmanager
def serving(module: str, *arguments: str) -> Iterator[int]:
    """The port of a process that runs the module."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "spot_project.settings"}
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=20)
