"""One message in every form that a server can take it, each made at most once, however many sockets it goes to.
Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

#: Messages shorter than this are sent as they are: deflating them saves nothing.
DEFLATE_FROM = 512
#: Deflating this much takes longer than an event loop should be held: it is done in a thread.
DEFLATE_IN_THREAD = 32 * 1024
#: Of zlib's levels the one with the best bargain here: 3 % larger than its default 6, in three fifths of the time.
_LEVEL = 4
_TEXT, _BINARY = 0x81, 0x82  # FIN, opcodes 1 and 2
_DEFLATED = 0x40  # RSV1, which permessage-deflate claims


def _framed(first: int, payload: bytes) -> bytes:
    """A whole unmasked WebSocket frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


Made = TypeVar("Made")


class Once(Generic[Made]):
    """A property made on first use, without the lock of Python 3.11's `cached_property`: that one is shared by all
    instances, so a frame being deflated in a thread would hold up every other frame in the event loop. Two threads may
    both make a value; they make the same."""

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, _owner: type) -> Made:
        value = instance.__dict__[self._name] = self._make(instance)
        return value


class Message:
    """A message to be sent to any number of sockets: text in UTF-8, or binary."""

    def __init__(self, payload: bytes, *, binary: bool = False) -> None:
        self.payload = payload
        self.binary = binary

    @Once
    def text(self) -> str:
        """The text, for servers that frame by themselves."""
        return self.payload.decode()

    @Once
    def frame(self) -> bytes:
        """The finished WebSocket frame."""
        return _framed(_BINARY if self.binary else _TEXT, self.payload)

    @property
    def is_deflated(self) -> bool:
        """Whether `deflated` has been made."""
        return "deflated" in self.__dict__

    def deflate(self) -> None:
        """Make `deflated`. For a thread: nothing else is touched."""
        _ = self.deflated

    @Once
    def deflated(self) -> bytes:
        """The finished frame, compressed without context, so that every socket which negotiated that can have it.

        RFC 7692, section 7.2.1: raw deflate, flushed, without the four bytes that a flush ends with.
        """
        if len(self.payload) < DEFLATE_FROM:
            return self.frame
        deflate = zlib.compressobj(_LEVEL, wbits=-15, memLevel=9)
        body = deflate.compress(self.payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return _framed(_DEFLATED | (_BINARY if self.binary else _TEXT), body[:-4])
