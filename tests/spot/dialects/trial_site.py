"""A web process that serves the trial dialect besides the product's own: `python -m … uvicorn|daphne`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spot import dialects

dialects.__path__.append(str(Path(__file__).with_name("made_up")))  # the folder is the registry


def hiding_frames(application: Any) -> Any:
    """The application on a server that takes no finished frames."""

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await application({**scope, "extensions": {}}, receive, send)

    return serve


def main(server: str, *plain: str) -> None:
    import django

    django.setup()
    from spot.server import listening

    application: Callable[..., Any] = listening.asgi_application("spot_project.asgi.application", [])
    listener = listening.listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    listening.serve(server, hiding_frames(application) if plain else application, listener)


if __name__ == "__main__":
    main(*sys.argv[1:])
