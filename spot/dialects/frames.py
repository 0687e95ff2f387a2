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
#: Labels of a message that are kept made.
LABELS = 16
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


def _stored(data: bytes) -> bytes:
    """A block of deflate that holds the data as they are (RFC 1951, section 3.2.4)."""
    size = len(data)
    return b"".join((b"\0", size.to_bytes(2, "little"), (size ^ 0xFFFF).to_bytes(2, "little"), data))


class Message:
    """A message to be sent to any number of sockets: text in UTF-8, or binary."""

    def __init__(self, payload: bytes, *, binary: bool = False) -> None:
        self.payload = payload
        self.binary = binary

    def labelled(self, label: bytes) -> Message:
        """The same message after a beginning that some members have of their own. The first few labels' messages are
        made once; with many, each is made when it is sent, and none is kept."""
        if not label:
            return self
        kept: dict[bytes, Message] = self._labelled
        if (message := kept.get(label)) is None:
            message = self._after(label)
            if len(kept) < LABELS:
                kept[label] = message
        return message

    def _after(self, label: bytes) -> Message:
        return _Labelled(label, self)

    @Once
    def _labelled(self) -> dict[bytes, Message]:
        return {}

    @Once
    def text(self) -> str:
        """The text, for servers that frame by themselves."""
        return self.payload.decode()

    @property
    def _opcode(self) -> int:
        return _BINARY if self.binary else _TEXT

    @Once
    def frame(self) -> bytes:
        """The finished WebSocket frame."""
        return _framed(self._opcode, self.payload)

    @property
    def is_deflated(self) -> bool:
        """Whether the work that `deflated` takes has been done."""
        return "squeezed" in self.__dict__

    def deflate(self) -> None:
        """Do the work that `deflated` takes. For a thread: nothing else is touched."""
        _ = self.squeezed

    @Once
    def squeezed(self) -> bytes:
        """The payload, compressed without context.

        RFC 7692, section 7.2.1: raw deflate, flushed, without the four bytes that a flush ends with.
        """
        deflate = zlib.compressobj(_LEVEL, wbits=-15, memLevel=9)
        return (deflate.compress(self.payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]

    @Once
    def deflated(self) -> bytes:
        """The finished frame, compressed without context, so that every socket which negotiated that can have it."""
        if len(self.payload) < DEFLATE_FROM:
            return self.frame
        return _framed(_DEFLATED | self._opcode, self.squeezed)


class _Labelled(Message):
    """A message after a label. What is compressed is the message alone, once for all labels: a deflated text may begin
    with a block that is not compressed."""

    def __init__(self, label: bytes, message: Message) -> None:
        super().__init__(label + message.payload, binary=message.binary)
        self._label = label
        self._message = message

    @property
    def is_deflated(self) -> bool:
        return self._message.is_deflated

    def deflate(self) -> None:
        self._message.deflate()

    @Once
    def squeezed(self) -> bytes:
        return _stored(self._label) + self._message.squeezed
