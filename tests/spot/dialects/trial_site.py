"""A web process that serves the trial dialect besides the product's own: `python -m … uvicorn|daphne`."""

import sys
from pathlib import Path
from typing import Any

from spot import dialects
from tests.served import serve

dialects.__path__.append(str(Path(__file__).with_name("made_up")))  # the folder is the registry


def hiding_frames(application: Any) -> Any:
    """The application on a server that takes no finished frames."""

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        extensions = {name: it for name, it in scope.get("extensions", {}).items() if name != "spot.frames"}
        await application({**scope, "extensions": extensions}, receive, send)

    return serve


if __name__ == "__main__":
    server, *plain = sys.argv[1:]
    serve(server, hiding_frames if plain else lambda application: application)
