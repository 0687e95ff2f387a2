"""The Model Context Protocol's side of the tools. To be imported by `spot.web.mcp` alone: the package is large."""

from __future__ import annotations

import asyncio
import logging
import weakref
from contextvars import Context
from typing import Any

import mcp_types as types
import orjson
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from spot.codes import Refused
from spot.dialects.documented import error
from spot.dialects.openapi import TITLE, VERSION
from spot.web.answers import Request, Response
from spot.web.tools import Tool, tools

_INSTRUCTIONS = (
    "Market data of crypto coins from a self-hosted gateway. Coins are named by ids such as bitcoin; find_coins finds "
    "them. Every answer says in `freshness` how old its data are, from whom they come, and whether they are simulated: "
    "pass that on with any number."
)
_TOOLS = tools()
_READ_ONLY = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

logging.getLogger("mcp").setLevel(logging.WARNING)


async def _list(_context: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[_described(tool) for tool in _TOOLS.values()])


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.parameters,
        output_schema=tool.answer,
        annotations=_READ_ONLY,
    )


async def _call(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Use a tool. A refusal is an answer too, so that the model can mend what it asked for."""
    if (tool := _TOOLS.get(params.name)) is None:
        return _refused(Refused("bad_value", f"There is no tool {params.name[:40]!r}.", "name", ", ".join(_TOOLS)))
    try:
        body = await tool.call(context.request.scope["spot.client"], dict(params.arguments or {}))
    except Refused as refused:
        return _refused(refused)
    return types.CallToolResult(content=[_text(orjson.dumps(body))], structured_content=body)


def _refused(refused: Refused) -> types.CallToolResult:
    return types.CallToolResult(content=[_text(error(refused))], is_error=True)


def _text(data: bytes) -> types.TextContent:
    return types.TextContent(type="text", text=data.decode())


class _Running:
    """The package's server in one event loop."""

    of_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Running] = weakref.WeakKeyDictionary()

    def __init__(self) -> None:
        server: Server[Any] = Server(
            "spot", title=TITLE, version=VERSION, instructions=_INSTRUCTIONS, on_list_tools=_list, on_call_tool=_call
        )
        self.manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        self.ready = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name="mcp", context=Context())

    async def _run(self) -> None:
        async with self.manager.run():
            self.ready.set()
            await asyncio.Event().wait()


async def answer(request: Request, path: str) -> Response:
    """The answer to one message."""
    loop = asyncio.get_running_loop()
    running = _Running.of_loop.get(loop)
    if running is None or running.task.done():
        running = _Running.of_loop[loop] = _Running()
    await running.ready.wait()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(request.headers.items()),
        "server": None,
        "client": None,
        "spot.client": request.client,
    }
    parts = [{"type": "http.request", "body": request.body, "more_body": False}]
    events: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.Event().wait()  # the door notices clients that go
        return parts.pop()

    async def send(event: Any) -> None:
        events.append(event)

    await running.manager.handle_request(scope, receive, send)
    start = events[0]
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    return Response(start["status"], headers, b"".join(event.get("body", b"") for event in events[1:]))
