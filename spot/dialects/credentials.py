"""Where a request carries its key or ticket. Pure.

Each route has such a finder, since protocols differ in the place; our own routes take headers, and a ticket in the
address or among the sub-protocols. A finder does not judge: it only reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from spot.codes import Refused, bad_value

#: The sub-protocol by which a page shows its ticket: a browser's WebSocket sends no headers of the page's own.
TICKET_PROTOCOL = "spot.ticket."
_KEY_IN_URL = re.compile(rb"(?i)(?:^|&)(x[-_])?(api[-_]?key|access[-_]token)=")
_TICKET = re.compile(rb"(?:^|&)ticket=([^&]*)")


class Credential(NamedTuple):
    """A key or a ticket as it came."""

    kind: Literal["key", "ticket"]
    text: str


class Asked(NamedTuple):
    """What a request says of itself, and its credential; where one is in them, without it."""

    query_string: bytes
    subprotocols: tuple[str, ...]
    credential: Credential | None = None


Finder = Callable[[Mapping[bytes, bytes], Asked], Asked]


def find(headers: Mapping[bytes, bytes], asked: Asked) -> Asked:
    """The credential of a request to our own routes, taken out of the rest. `headers`: by name in lower case. Raises
    `Refused` for a key in the address, and where two credentials differ."""
    query, subprotocols, credentials = asked.query_string, asked.subprotocols, set[Credential]()
    if (key := headers.get(b"x-api-key")) is not None:
        credentials.add(_key("X-API-Key", key))
    authorization = headers.get(b"authorization", b"")
    if authorization[:6].lower() == b"bearer":  # other schemes are for a proxy before us
        credentials.add(_key("Authorization", authorization[6:]))
    if query:
        if _KEY_IN_URL.search(query):
            allowed = "left out of the address, which logs and histories keep: send the key in the header X-API-Key"
            raise bad_value("api_key", allowed)
        if b"ticket=" in query and (match := _TICKET.search(query)):
            credentials.add(Credential("ticket", match[1].decode("latin-1")))
            query = _TICKET.sub(b"", query).removeprefix(b"&")
    tickets = [name for name in subprotocols if name.startswith(TICKET_PROTOCOL)]
    if tickets:
        credentials.update(Credential("ticket", name.removeprefix(TICKET_PROTOCOL)) for name in tickets)
        subprotocols = tuple(name for name in subprotocols if name not in tickets)
    if len(credentials) > 1:
        raise Refused("bad_message", "The request carries several keys or tickets. Send one.")
    return Asked(query, subprotocols, credentials.pop() if credentials else None)


def _key(header: str, value: bytes) -> Credential:
    text = value.strip().decode("latin-1")
    if not text:
        raise bad_value(header, "a key" if header == "X-API-Key" else "Bearer and a key")
    return Credential("key", text)
