"""Who is asking: the client of a request, by its key, its ticket, or its address.

No database and no Redis on the way, but for a ticket: the book is in memory. A request that shows a wrong key is
served by nobody: it carries its refusal to the door, which says it in the words of its protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from spot import dialects
from spot.clients import limits
from spot.clients.book import book, key_required, switched_off
from spot.clients.desk import Desk
from spot.clients.plans import Client, anonymous, on_own_page
from spot.clients.protocols import PREFIX as COMPAT
from spot.clients.protocols import protocol_of
from spot.clients.tickets import PAGE, SECONDS
from spot.clients.usage import usage
from spot.codes import Refused
from spot.dialects.credentials import ANONYMOUS, TICKET_PROTOCOL, Asked, Credential, Finder, find
from spot.dialects.interface import Header, Operation, Outcome, Payload
from spot.dialects.own import PREFIX
from spot.dialects.schema import closed
from spot.snapshots import now_ms
from spot.web import compat
from spot.web.answers import Request, Response, json_answer, refusal
from spot.web.headers import BALANCE
from spot_project import hosts

log = structlog.get_logger(__name__)

_FINDERS = {f"/{route.path}": route.credentials for route in dialects.routes()}
#: Where the key may come in a message.
_LATE = {f"/{route.path}" for route in dialects.routes() if route.late_key}
#: Where nobody is served without a key, once the operator has closed the site to everybody.
_DATA = (f"/{PREFIX}/", COMPAT, "/mcp")

Headers = Mapping[bytes, bytes]

_TICKET = closed({"ticket": {"type": "string"}, "expires_in": {"type": "integer", "x-unit": "s"}})
_TICKET_MEANING = "the ticket, for `?ticket=` or the sub-protocol `spot.ticket.`"
#: The interface of `ticket`.
TICKET_OPERATION = Operation(
    id="postTicket",
    summary="a ticket that lets one request of a page in with the key, once and within a minute",
    tag="keys",
    answers=(Outcome(200, _TICKET_MEANING, (Payload("Ticket", _TICKET),), BALANCE),),
    errors=("key_required",),
    method="post",
    key="required",
    sends=(Header("X-API-Key", "the key; or `Authorization: Bearer` and the key"),),
)


async def identified(scope: dict[str, Any], headers: Headers, is_public: Callable[[str], bool]) -> dict[str, Any]:
    """What is to be known of a request's client, as keys of its scope: `spot.client`, and `spot.refused` where it is
    not to be served. A ticket is taken out of the address and the sub-protocols. `is_public` tells paths of public
    data, for which alone a key is asked."""
    address = scope["client"][0] if scope.get("client") else ""
    client = anonymous(address)
    is_socket = scope["type"] == "websocket"
    if not is_socket and (not is_public(scope["path"]) or scope["method"] == "OPTIONS"):
        return {"spot.client": client}
    if not book.settled:
        await Desk.current().settle()
        client = anonymous(address)
    more: dict[str, Any] = {}
    try:
        if not book.serves(protocol := protocol_of(scope["path"])):
            raise switched_off(protocol)
        finder = _finder(scope["path"], is_socket)
        asked = Asked(scope["query_string"], tuple(scope.get("subprotocols", ())))
        found = finder(headers, asked)
        if found.credential is None:
            if not book.is_open and (is_socket or scope["path"].startswith(_DATA)):
                if is_socket and scope["path"].rstrip("/") in _LATE:
                    return {"spot.client": client, "spot.unkeyed": True}
                raise key_required()
            return {"spot.client": client}
        if found != asked:
            more = _without_ticket(asked, found)
        more["spot.client"] = await _client(found.credential, client, headers.get(b"origin"))
    except Refused as refused:
        return {**more, "spot.client": client, "spot.refused": refused}
    return more


def _finder(path: str, is_socket: bool) -> Finder:
    """Where clients of the protocol at a path put their key."""
    if is_socket:
        return _FINDERS.get(path.rstrip("/"), find)
    rest = compat.rest_at(path)
    return find if rest is None else rest.credentials


async def shown_in_message(scope: dict[str, Any], text: str) -> Client:
    """The client with a key that a socket's message shows. Raises `Refused`."""
    everybody = anonymous(scope["client"][0] if scope.get("client") else "")
    if not text or text.lower() in ANONYMOUS:
        if not book.is_open:
            raise key_required()
        return everybody
    return await _client(Credential("key", text), everybody, dict(scope["headers"]).get(b"origin"))


def _without_ticket(asked: Asked, found: Asked) -> dict[str, Any]:
    more: dict[str, Any] = {"query_string": found.query_string}
    if found.subprotocols != asked.subprotocols:
        more["subprotocols"] = list(found.subprotocols)
        # A browser fails a handshake that takes none of the sub-protocols offered.
        more["spot.subprotocol"] = next(name for name in asked.subprotocols if name.startswith(TICKET_PROTOCOL))
    return more


async def _client(credential: Credential, everybody: Client, origin: bytes | None) -> Client:
    """The client with that credential. Raises `Refused`."""
    if not book.read:
        raise Refused("unavailable", "Keys cannot be checked at the moment; try again in a few seconds.")
    if credential.kind == "ticket":
        digest = await _redeemed(credential.text, everybody)
        if digest == PAGE:
            return on_own_page(everybody.address, now_ms())
        missing, key = "The key of this ticket has been replaced or deleted.", book.at(digest)
    else:
        missing, key = "No key of this site reads like this. Check that it is whole.", book.find(credential.text)
    if key is None:
        raise _mistaken(everybody, Refused("bad_key", missing))
    if (refused := key.problem(now_ms())) is not None:
        raise _mistaken(everybody, refused)
    client = key.client(everybody.address, _origin(origin))
    if (refused := usage.problem(client)) is not None:
        raise refused
    return client


async def _redeemed(ticket: str, everybody: Client) -> bytes:
    try:
        return await Desk.current().redeem(ticket)
    except Refused as refused:
        raise (_mistaken(everybody, refused) if refused.code == "bad_ticket" else refused) from refused


def _mistaken(everybody: Client, refused: Refused) -> Refused:
    """The refusal of a wrong key. Too many from one network are told to wait; a right one is never slowed by them."""
    if wait := limits.mistakes.spend(everybody, 1):
        message = f"Too many wrong keys or tickets have come from this address; try again in {wait} s."
        return Refused("too_many_attempts", message, wait=wait)
    log.info("key refused", code=refused.code, address=everybody.address)
    return refused


def _origin(header: bytes | None) -> str | None:
    if header is None:
        return None
    text = header.decode("latin-1")
    try:
        return hosts.origin(text)
    except ValueError:
        return text


async def ticket(request: Request) -> Response:
    """A ticket for the key that the request shows, which lets one other request in."""
    digest = request.client.digest
    if digest is None:
        return refusal(Refused("key_required", "A ticket is for a key: send it in the header X-API-Key."))
    try:
        text = await Desk.current().issue(digest)
    except Refused as refused:
        return refusal(refused)
    return json_answer({"ticket": text, "expires_in": SECONDS}, cache_control="no-store")
