"""A message in each of its forms, read back by the other side's rules."""

import threading
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader

from spot.dialects.frames import DEFLATE_FROM, Message


def read(data: bytes) -> Frame:
    """The one frame that the bytes are, as the websockets library reads it."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    parser = Frame.parse(reader.read_exact, mask=False)
    try:
        next(parser)
    except StopIteration as done:
        frame = done.value
    assert not reader.buffer
    return frame


def inflated(frame: Frame) -> bytes:
    return zlib.decompressobj(wbits=-15).decompress(bytes(frame.data) + b"\x00\x00\xff\xff")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_message_of_every_length_is_framed_as_the_rfc_says(size: int) -> None:
    message = Message(b"x" * size)
    frame = read(message.frame)
    assert (frame.fin, frame.opcode, bytes(frame.data)) == (True, 1, message.payload)
    assert message.text == "x" * size


@given(st.binary(max_size=4000).map(lambda data: data + data * 3))
def test_a_deflated_message_inflates_to_itself(payload: bytes) -> None:
    message = Message(payload)
    frame = read(message.deflated)
    assert frame.rsv1 == (len(payload) >= DEFLATE_FROM)
    assert (inflated(frame) if frame.rsv1 else bytes(frame.data)) == payload


def test_each_form_is_made_once() -> None:
    message = Message(b"y" * 1000)
    assert message.deflated is message.deflated
    assert message.frame is message.frame
    assert message.text is message.text


def test_a_frame_in_the_making_holds_up_no_other() -> None:
    begun, release = threading.Event(), threading.Event()

    class Slow(bytes):
        def __len__(self) -> int:
            begun.set()
            release.wait(20)
            return super().__len__()

    made: list[bytes] = []
    slow = threading.Thread(target=lambda: Message(Slow(b"z" * 1000)).deflated)
    other = threading.Thread(target=lambda: made.append(Message(b"z" * 1000).deflated))
    slow.start()
    begun.wait(20)
    other.start()
    other.join(5)
    try:
        assert made
    finally:
        release.set()
        slow.join()
        other.join()
