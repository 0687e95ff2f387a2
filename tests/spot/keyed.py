"""Keys of clients in the book, without a database."""

from dataclasses import replace
from itertools import count
from typing import Any

from providers.vault import Secret
from spot.clients import keys
from spot.clients.book import Contents, Key, book
from spot.clients.plans import Plan, default_plan

_ids = count(1)


def made(plan: Plan | None = None, **facts: Any) -> tuple[str, Key]:
    """A new key, as text and as the book has it; `facts` as of `Key`."""
    text = keys.new().reveal()
    return text, Key(str(next(_ids)), keys.digests(text)[0], plan or default_plan(), **facts)


def plan_with(**limits: Any) -> Plan:
    """The settings' plan with other limits."""
    return replace(default_plan(), **limits)


def fill(*known: Key, **contents: Any) -> None:
    """Make these the only keys."""
    book.fill(Contents(known, **contents))


def given(plan: Plan | None = None, **facts: Any) -> tuple[str, Key]:
    """A new key that is the only one in the book."""
    text, key = made(plan, **facts)
    fill(key)
    return text, key


def digest_of(secret: Secret) -> str:
    """The stored hash of a key."""
    return keys.digests(secret.reveal())[0].hex()
