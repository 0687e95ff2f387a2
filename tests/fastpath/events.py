"""A client of server-sent events that hides nothing: the answer's head, its chunks, each event and comment as it came.

It has its own reading of RFC 9112 and of the HTML standard, so that it proves ours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import jsonschema_rs
from django.conf import settings

from spot.codes import Refused
from spot.dialects import schema, sse
from spot.dialects.credentials import Asked, find
from spot.feeds import FEEDS
from tests.fastpath.client import PATIENCE, Client

PREFIX = "/tzone_apis/services/spot/sse/"


class Ended(Exception):
    """The answer has ended: in order, or cut."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__("whole" if whole else "cut")
        self.whole = whole


class Event(NamedTuple):
    """One event as an EventSource would dispatch it, and the identifier that it would come back with."""

    data: dict[str, Any]
    name: str
    last_id: str


class Events(Client):
    """`events = await Events.listen(port, "market?page_size=2"); await events.next()`."""

    status = 0
    last_id = ""

    @classmethod
    async def listen(cls, port: int, target: str, *headers: str, method: str = "GET", receive_buffer: int = 0) -> Self:
        """Ask for a stream, and read the head of the answer."""
        made = await cls.connect(port, receive_buffer)
        made.comments: list[str] = []
        made._validate = validators(target)
        lines = [f"{method} {PREFIX}{target} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
        await made.send_raw("\r\n".join(lines).encode())
        async with asyncio.timeout(PATIENCE):
            while b"\r\n\r\n" not in made._buffer:
                await made._more()
        head, _, rest = bytes(made._buffer).partition(b"\r\n\r\n")
        made.head, made._buffer = head, bytearray(rest)
        made.status = int(head.split()[1])
        made._text = b""
        return made

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer by their names in lower case."""
        lines = (line.partition(":") for line in self.head.decode().split("\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in lines}

    async def body(self) -> dict[str, Any]:
        """The JSON of an answer that does not go on."""
        size = self.headers.get("content-length")
        found: dict[str, Any] = json.loads(await self._take(int(size)) if size else await self._chunk())
        assert not list(jsonschema_rs.Draft202012Validator(schema.ERROR).iter_errors(found))
        return found

    async def next(self) -> Event:
        """The next event. Comments go to `comments`, what changes only the identifier to `last_id`. Raises `Ended`."""
        while (event := self._read(await self._block())) is None:
            pass
        return event

    async def moved(self, before: str) -> str:
        """The identifier to come back with, once it is another; events in between are dropped."""
        while self.last_id == before:
            self._read(await self._block())
        return self.last_id

    async def comment(self) -> str:
        """The next comment; events in between are dropped."""
        while not self.comments:
            self._read(await self._block())
        return self.comments.pop(0)

    async def _block(self) -> str:
        while b"\n\n" not in self._text:
            self._text += await self._chunk()
        block, _, self._text = self._text.partition(b"\n\n")
        return block.decode()

    async def until(self, kind: str) -> Event:
        """The next event whose data are of that type."""
        while (event := await self.next()).data["type"] != kind:
            pass
        return event

    async def ended(self) -> bool:
        """Whether the answer ends in order, whatever comes before that."""
        try:
            while True:
                await self.next()
        except Ended as end:
            return end.whole

    def _read(self, block: str) -> Event | None:
        data, name = [], ""
        for line in block.split("\n"):
            field, _, value = line.partition(": ")
            match field:
                case "":
                    self.comments.append(value)
                case "data":
                    data.append(value)
                case "event":
                    name = value
                case "id":
                    self.last_id = value
                case _:
                    assert field == "retry", line
                    assert 2000 <= int(value) <= 5000
        if not data:
            return None
        assert len(data) == 1, "a message is one line"
        event = Event(json.loads(data[0]), name, self.last_id)
        self._validate(event)
        return event

    async def _chunk(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            while b"\r\n" not in self._buffer:
                await self._more_or_end()
            size, _, rest = bytes(self._buffer).partition(b"\r\n")
            self._buffer = bytearray(rest)
            while len(self._buffer) < int(size, 16) + 2:
                await self._more_or_end()
        part = bytes(await self._take(int(size, 16) + 2))
        assert part.endswith(b"\r\n")
        if int(size, 16) == 0:
            raise Ended(whole=True)
        return part[:-2]

    async def _more_or_end(self) -> None:
        data = b""
        if not self.peer._closed:  # type: ignore[attr-defined]
            try:
                data = await self._loop.sock_recv(self.peer, 65_536)
            except ConnectionResetError:
                data = b""
        if not data:
            raise Ended(whole=False)
        self._buffer += data


def validators(target: str) -> Callable[[Event], None]:
    """Fails for an event that is not in the schema of its view."""
    path, _, query = target.partition("?")
    try:
        asked = find({}, Asked(query.encode(), ())).query_string  # without a ticket
        if path == "stream":
            views = sse.read_several(asked, settings.SPOT_DEPTH)
        else:
            views = sse.read_feed(asked, FEEDS[path], settings.SPOT_DEPTH)
    except (Refused, KeyError):
        views = ()
    schemas = {one.name: schema.frame_schemas(one.view.feed, one.dialect) for one in views}

    def validate(event: Event) -> None:
        of_type = schemas[event.name][event.data["type"]]
        for error in jsonschema_rs.Draft202012Validator(of_type).iter_errors(event.data):
            raise AssertionError(f"{event.data['type']} of {event.name or path}: {error.message}")

    return validate
