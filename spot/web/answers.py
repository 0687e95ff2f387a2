"""Requests and answers of the doors over HTTP that are not pages, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from spot.clients.plans import Client
from spot.codes import Refused
from spot.dialects.documented import error
from spot.metrics import ANSWERS, REFUSALS, increment
from spot.snapshots import now_ms

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """One request: its headers by name, in lower case."""

    method: str
    query_string: bytes
    headers: dict[bytes, bytes]
    client: Client
    #: What was sent with it, to handlers that read a body.
    body: bytes = b""

    def header(self, name: bytes) -> str | None:
        """The value of a header."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def parameter(query_string: bytes, name: str) -> str | None:
    """The last value of that name in a query string, whatever bytes it holds."""
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, errors="replace")
    return next((value for key, value in reversed(pairs) if key == name), None)


class Stream(Protocol):
    """The body of an answer that goes on."""

    async def serve(self, scope: dict[str, Any], receive: Any, send: Any, head: Headers) -> None:
        """Send the answer with these headers, until it has ended or the client has gone."""


class Response(NamedTuple):
    """An answer. Its length, and the headers that all answers have, are added when it is sent."""

    status: int
    headers: Headers
    body: bytes = b""
    #: The request headers on which an answer with public data depends.
    vary: bytes = b"Origin"
    #: In place of `body`.
    stream: Stream | None = None


def json_answer(data: Any, status: int = 200, **headers: str) -> Response:
    """The data as JSON; `cache_control="no-store"` becomes the header `Cache-Control`."""
    named = [(name.replace("_", "-").title().encode(), value.encode()) for name, value in headers.items()]
    return Response(status, [(b"Content-Type", b"application/json"), *named], json.dumps(data).encode())


async def write(send: Any, status: int, headers: Headers, body: bytes) -> None:
    """Send an answer whole."""
    increment(ANSWERS, str(status))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal_headers(refused: Refused) -> Headers:
    """When to try again, and how to say who is asking, where one or the other helps."""
    headers = []
    if (seconds := refused.retry_after(now_ms())) is not None:
        headers.append((b"Retry-After", b"%d" % seconds))
    if refused.fact.status == 401:
        headers.append((b"WWW-Authenticate", b"Bearer"))
    return headers


def refusal(refused: Refused) -> Response:
    """A refusal: the same JSON as on a socket, and when to try again."""
    increment(REFUSALS, "http", refused.code)
    headers = [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")]
    headers += refusal_headers(refused)
    return Response(refused.fact.status, headers, error(refused))


def matches(asked: str, tag: str) -> bool:
    """Whether an `If-None-Match` header names the tag."""
    if asked == tag:
        return True
    tags = {text.strip().removeprefix("W/") for text in asked.split(",")}
    return bool(tags & {"*", tag.removeprefix("W/")})
