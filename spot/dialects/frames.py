"""One message in every form that a server can take it, each made at most once, however many sockets it goes to.
Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

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


def _header(first: int, size: int) -> bytes:
    """The beginning of an unmasked WebSocket frame with a payload of that size (RFC 6455, section 5.2)."""
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


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


def _opening(first: int, rest: int, label: int) -> bytes:
    """What stands before a label, and a rest, of so many bytes."""
    return _header(first, label + rest)


def _deflated_opening(opcode: int, rest: int, label: int) -> bytes:
    """The same where the rest is deflated: the label is a block of deflate that holds it as it is (RFC 1951, section
    3.2.4)."""
    block = b"".join((b"\0", label.to_bytes(2, "little"), (label ^ 0xFFFF).to_bytes(2, "little"))) if label else b""
    return _header(_DEFLATED | opcode, len(block) + label + rest) + block


class Parts(NamedTuple):
    """A frame in the parts that its receivers have in common: what stands before a label of that size, and after it."""

    opening: Callable[[int], bytes]
    rest: bytes

    def heads(self, labels: Sequence[bytes]) -> list[bytes]:
        """What comes before the rest, for a receiver with each of these labels."""
        openings = {size: self.opening(size) for size in set(map(len, labels))}
        return [openings[len(label)] + label for label in labels]

    def whole(self, label: bytes = b"") -> bytes:
        """The finished frame of a receiver."""
        return b"".join((self.opening(len(label)), label, self.rest))


class Body:
    """What a message has in common with those that begin with a label: it knows none of them, so that none refers to
    itself and waits for the garbage collector."""

    def __init__(self, payload: bytes, *, binary: bool) -> None:
        self.payload = payload
        self._opcode = _BINARY if binary else _TEXT

    @Once
    def parts(self) -> Parts:
        """The parts of a frame."""
        return Parts(partial(_opening, self._opcode, len(self.payload)), self.payload)

    @Once
    def deflated_parts(self) -> Parts:
        """The parts of a compressed frame. A deflated text may begin with a block that is not compressed: so what is
        compressed is the same after every label."""
        if len(self.payload) < DEFLATE_FROM:
            return self.parts
        return Parts(partial(_deflated_opening, self._opcode, len(self.squeezed)), self.squeezed)

    @Once
    def squeezed(self) -> bytes:
        """The payload, compressed without context.

        RFC 7692, section 7.2.1: raw deflate, flushed, without the four bytes that a flush ends with.
        """
        deflate = zlib.compressobj(_LEVEL, wbits=-15, memLevel=9)
        return (deflate.compress(self.payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Message:
    """A message to be sent to any number of sockets: text in UTF-8, or binary."""

    def __init__(self, payload: bytes, *, binary: bool = False) -> None:
        self.payload = payload
        self.binary = binary

    @Once
    def body(self) -> Body:
        """What messages after a label have in common with it."""
        return Body(self.payload, binary=self.binary)

    def labelled(self, label: bytes) -> Message:
        """The same message after a beginning that some members have of their own. The first few labels' messages are
        made once; with many, each is made when it is sent, and none is kept."""
        if not label:
            return self
        kept: dict[bytes, Message] = self._labelled
        if (message := kept.get(label)) is None:
            message = _Labelled(label, self.body, binary=self.binary)
            if len(kept) < LABELS:
                kept[label] = message
        return message

    @Once
    def _labelled(self) -> dict[bytes, Message]:
        return {}

    @Once
    def text(self) -> str:
        """The text, for servers that frame by themselves."""
        return self.payload.decode()

    @Once
    def frame(self) -> bytes:
        """The finished WebSocket frame."""
        return self.body.parts.whole()

    @property
    def is_deflated(self) -> bool:
        """Whether the work that `deflated` takes has been done."""
        return "squeezed" in self.body.__dict__

    def deflate(self) -> None:
        """Do the work that `deflated` takes. For a thread: nothing else is touched."""
        _ = self.body.squeezed

    @Once
    def deflated(self) -> bytes:
        """The finished frame, compressed without context, so that every socket which negotiated that can have it."""
        return self.frame if len(self.body.payload) < DEFLATE_FROM else self.body.deflated_parts.whole()


class _Labelled(Message):
    """A message after a label."""

    def __init__(self, label: bytes, body: Body, *, binary: bool) -> None:
        super().__init__(label + body.payload, binary=binary)
        self._label = label
        self.body = body

    @Once
    def frame(self) -> bytes:
        return self.body.parts.whole(self._label)

    @Once
    def deflated(self) -> bytes:
        return self.body.deflated_parts.whole(self._label)
