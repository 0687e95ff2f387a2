"""The door for language models: the Model Context Protocol at `/mcp`, by its official package.

Stateless: each request stands for itself, so any web process answers it, and nothing is kept between two. The package
costs 50 MB and more than a second to import. So it is imported with the first request, in a thread.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from spot.codes import Refused
from spot.dialects.interface import JSON, Operation, Outcome, Payload
from spot.dialects.own_interface import REFUSED
from spot.web.answers import Request, Response, refusal
from spot.web.gate import origin_allowed
from spot.web.public import has_key_for

PATH = "/mcp"
#: The largest request that is read, in bytes.
BODY_BYTES = 65_536

_MESSAGE = Payload("McpMessage", {"type": "object"}, "a message of JSON-RPC 2.0")
_ANSWER = Payload("McpAnswer", {"type": "object"}, "the result or the error, as JSON-RPC 2.0 has them")
#: The interface of `answer`.
OPERATION = Operation(
    id="postMcp",
    summary="the feeds as tools for language models: a message of the Model Context Protocol",
    tag="tools",
    answers=(
        Outcome(200, "the answer to a request", (_ANSWER,)),
        Outcome(202, "a notification is taken"),
        Outcome(400, "the message cannot be read", (REFUSED, _ANSWER)),
        Outcome(406, "the header `Accept` forbids JSON", (_ANSWER,)),
    ),
    errors=("key_required", "forbidden_origin"),
    method="post",
    body=_MESSAGE,
    about="Streamable HTTP without sessions. Use a client of that protocol: docs/mcp.md names the tools and shows how.",
)


async def answer(request: Request) -> Response:
    """The answer to one message."""
    origin = request.header(b"origin")
    if origin is not None and not _is_allowed(origin, request):
        message = "Pages of this origin may not use this path. The operator may add it to SPOT_ALLOWED_ORIGINS."
        return refusal(Refused("forbidden_origin", message, "Origin"))
    if _media_type(request) != JSON:  # the package would refuse it in words of its own
        message = "A message is JSON: send it with the header Content-Type: application/json."
        return refusal(Refused("bad_value", message, "Content-Type", JSON))
    server: Any = await asyncio.to_thread(import_module, "spot.web.mcp_server")
    answered: Response = await server.answer(request, PATH)
    return answered


def _media_type(request: Request) -> str:
    return (request.header(b"content-type") or "").partition(";")[0].strip().lower()


def _is_allowed(origin: str, request: Request) -> bool:
    """Whether a page of that origin may speak to us: one of our own, one that is listed, or one of the key's."""
    host = request.header(b"host") or ""
    own = any(origin_allowed(origin, host, scheme, has_cookie=False) for scheme in ("http", "https"))
    return own or (request.client.key is not None and has_key_for(origin, request.client.origins))
