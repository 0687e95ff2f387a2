"""One message in every form that a server can take it, each made at most once, however many sockets it goes to.
Pure."""

from __future__ import annotations

import zlib
from functools import cached_property

#: Messages shorter than this are sent as they are: deflating them saves nothing.
DEFLATE_FROM = 512
#: Deflating this much takes longer than an event loop should be held: it is done in a thread.
DEFLATE_IN_THREAD = 32 * 1024
_TEXT, _DEFLATED_TEXT = 0x81, 0xC1  # FIN, opcode 1; the latter with RSV1, which permessage-deflate claims


def _framed(first: int, payload: bytes) -> bytes:
    """A whole unmasked WebSocket frame (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


class Message:
    """A text message to be sent to any number of sockets."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    @cached_property
    def text(self) -> str:
        """For servers that frame by themselves."""
        return self.payload.decode()

    @cached_property
    def prepared(self) -> bytes:
        """The finished WebSocket frame."""
        return _framed(_TEXT, self.payload)

    @cached_property
    def deflated(self) -> bytes:
        """The finished frame, compressed without context, so that every socket which negotiated that can have it.

        RFC 7692, section 7.2.1: raw deflate, flushed, without the four bytes that a flush ends with.
        """
        if len(self.payload) < DEFLATE_FROM:
            return self.prepared
        deflate = zlib.compressobj(wbits=-15, memLevel=9)
        body = deflate.compress(self.payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return _framed(_DEFLATED_TEXT, body[:-4])
