"""Tickets: each lets one request in with a key, within a minute, so that pages need not carry the key in an address.

A ticket is good once in all web processes together. Redis has its hash, and which key it is for, or that it is for one
of the site's own pages.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from spot.codes import Refused

#: How long a ticket is good, in seconds.
SECONDS = 60
#: Stands in the place of a key's hash in the tickets of the site's own pages.
PAGE = b"page"
_LONGEST = 64


async def issue(redis: Any, digest: bytes) -> str:
    """A new ticket for the key of that hash, or for a `PAGE`."""
    ticket = secrets.token_urlsafe(24)
    await redis.set(_name(ticket), digest, ex=SECONDS)
    return ticket


async def redeem(redis: Any, ticket: str) -> bytes:
    """The hash of the key that a ticket is for, or `PAGE`. Raises `Refused` for one that is none, or was used."""
    digest = await redis.getdel(_name(ticket)) if len(ticket) <= _LONGEST else None
    if digest is None:
        message = f"This ticket is unknown, was used, or is older than {SECONDS} seconds. Each is good once."
        raise Refused("bad_ticket", message)
    return bytes(digest)


def _name(ticket: str) -> str:
    return f"spot:client:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"
