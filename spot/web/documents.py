"""The machine-readable documents of the interface: OpenAPI, AsyncAPI and JSON Schemas. Each is made once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from spot.dialects import asyncapi, openapi
from spot.dialects.interface import Channel, Operation, Outcome, Payload
from spot.dialects.own_interface import parts
from spot.feeds import FEEDS
from spot.feeds.params import Schema
from spot.web.answers import Request, Response, matches
from spot.web.encodings import SHELF, preferred
from spot.web.headers import BALANCE, HEADERS, IF_NONE_MATCH

Operations = Callable[[], list[tuple[str, Operation]]]
Channels = Callable[[], list[Channel]]


class DocumentKind(NamedTuple):
    """A kind of document: its name in generated clients, its media type and how it is made."""

    id: str
    summary: str
    media: str
    make: Callable[[Operations, Channels], Any]


def named_parts() -> dict[str, Schema]:
    """The named parts of bodies and frames, of all feeds."""
    return {name: schema for feed in FEEDS.values() for name, schema in parts(feed).items()}


def _openapi(operations: Operations, _channels: Channels) -> Any:
    return openapi.document(operations(), named_parts(), HEADERS["Retry-After"])


def _asyncapi(_operations: Operations, channels: Channels) -> Any:
    return asyncapi.document(channels(), named_parts())


def _schemas(operations: Operations, channels: Channels) -> Any:
    http = openapi.components_of((one for _path, one in operations()), named_parts(), "#/$defs/")
    sockets = asyncapi.components_of(channels(), named_parts(), "#/$defs/")
    return {"$schema": openapi.DIALECT, "title": openapi.TITLE, "$defs": {**http.all(), **sockets.all()}}


DOCUMENTS = {
    "/docs/openapi.json": DocumentKind(
        "getOpenapi", "the OpenAPI 3.1 document of the HTTP paths", "application/openapi+json", _openapi
    ),
    "/docs/asyncapi.json": DocumentKind(
        "getAsyncapi", "the AsyncAPI 3 document of sockets and streams", "application/asyncapi+json", _asyncapi
    ),
    "/docs/schemas.json": DocumentKind(
        "getSchemas", "the JSON Schemas of all messages and bodies", "application/schema+json", _schemas
    ),
}


class Document:
    """One document at its path."""

    def __init__(self, kind: DocumentKind, operations: Operations, channels: Channels) -> None:
        self._kind = kind
        self._make = lambda: orjson.dumps(kind.make(operations, channels))
        self._body = b""
        headers = (HEADERS["ETag"], *BALANCE)
        body = Payload("Document", {"type": "object"}, kind.summary, kind.media)
        self.operation = Operation(
            id=kind.id,
            summary=kind.summary,
            tag="documents",
            answers=(Outcome(200, "the document", (body,), headers), Outcome(304, "unchanged", (), headers)),
            sends=(IF_NONE_MATCH,),
        )

    async def answer(self, request: Request) -> Response:
        """The document, or 304 where the client has it."""
        if not self._body:
            self._body = await asyncio.to_thread(self._make)
        tag = f'W/"{hashlib.blake2b(self._body, digest_size=12).hexdigest()}"'
        headers = [(b"ETag", tag.encode()), (b"Cache-Control", b"no-cache")]
        vary = b"Accept-Encoding, Origin"
        asked = request.header(b"if-none-match")
        if asked is not None and matches(asked, tag):
            return Response(304, headers, b"", vary)
        body = self._body
        headers.append((b"Content-Type", self._kind.media.encode()))
        if coding := preferred(request.header(b"accept-encoding"), len(body)):
            body = await SHELF.encoded(tag, body, coding)
            headers.append((b"Content-Encoding", coding.encode()))
        return Response(200, headers, body, vary)
