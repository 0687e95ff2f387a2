"""Where a request carries its key or ticket. Pure.

Each route has such a finder, since protocols differ in the place; our own routes take headers, and a ticket in the
address or among the sub-protocols. A finder does not judge: it only reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple
from urllib.parse import unquote_plus

from spot.codes import Refused, bad_value

#: The sub-protocol by which a page shows its ticket: a browser's WebSocket sends no headers of the page's own.
TICKET_PROTOCOL = "spot.ticket."
_KEY_IN_URL = re.compile(rb"(?i)(?:^|&)(x[-_])?(api[-_]?key|access[-_]token)=")
_TICKET = re.compile(rb"(?:^|&)ticket=([^&]*)")


class Place(NamedTuple):
    """A place in which a request to our own routes may carry a credential; `id` names it in the documents."""

    id: str
    where: Literal["header", "bearer", "query", "subprotocol"]
    name: str
    meaning: str


PLACES = (
    Place("ApiKey", "header", "X-API-Key", "the key"),
    Place("Bearer", "bearer", "Authorization", "the key"),
    Place("Ticket", "query", "ticket", "a ticket, for one request of a page"),
    Place(
        "TicketProtocol",
        "subprotocol",
        "Sec-WebSocket-Protocol",
        f"among the sub-protocols `{TICKET_PROTOCOL}` followed by a ticket, for one handshake of a page",
    ),
)


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


#: Keys by which a program that insists on one asks as everybody without one does, in lower case. The second is for
#: programs that want CoinGecko's prefix, the third for those that want a UUID.
ANONYMOUS = ("anonymous", "cg-anonymous", "00000000-0000-0000-0000-000000000000")


def places(headers: Collection[str], parameters: Collection[str] = ()) -> Finder:
    """A finder for a foreign protocol, whose clients put their key into one of these headers or parameters, in any
    case. Our own header is taken too. The first key that is not empty counts; it is taken out of the address, and
    `ANONYMOUS` is none."""
    names = [name.lower().encode() for name in (*headers, "x-api-key")]
    wanted = {name.lower() for name in parameters}
    # Names that read otherwise on the wire are looked at too; most addresses have neither.
    names_in_query = b"|".join(re.escape(name).encode() for name in wanted)
    likely = re.compile(rb"(?i)(?:^|&)(?:%b|[^=&]*[%%+][^=&]*)(?:[=&]|$)" % names_in_query)

    def find_in_places(sent: Mapping[bytes, bytes], asked: Asked) -> Asked:
        texts = [sent[name].decode("latin-1") for name in names if name in sent]
        query = asked.query_string
        if wanted and query and likely.search(query):
            pairs = query.split(b"&")
            parts = [(pair, *pair.decode("latin-1").partition("=")[::2]) for pair in pairs]
            texts += [unquote_plus(value) for _pair, name, value in parts if unquote_plus(name).lower() in wanted]
            query = b"&".join(pair for pair, name, _value in parts if unquote_plus(name).lower() not in wanted)
        key = next((text.strip() for text in texts if text.strip()), "")
        credential = Credential("key", key) if key and key.lower() not in ANONYMOUS else None
        return Asked(query, asked.subprotocols, credential)

    return find_in_places


def _key(header: str, value: bytes) -> Credential:
    text = value.strip().decode("latin-1")
    if not text:
        raise bad_value(header, "a key" if header == "X-API-Key" else "Bearer and a key")
    return Credential("key", text)
