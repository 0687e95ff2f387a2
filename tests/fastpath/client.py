"""A WebSocket client that hides nothing: every frame as it came, the socket, its buffers, and whether it reads at all.

It has its own reading of RFC 6455 and RFC 7692, so that it proves ours.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple, Self

from tests.spot import contract

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PREFIX = "/tzone_apis/services/spot/ws/"
PATIENCE = 30.0
#: What clients may say of compression, and what must follow: the window of the server's deflate, in bits; 0: none.
OFFERS = {
    "": 0,
    "permessage-deflate": 15,
    "permessage-deflate; client_max_window_bits": 15,
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover": 15,
    "permessage-deflate; server_max_window_bits=15; client_max_window_bits=9": 15,
    "permessage-deflate; server_max_window_bits=9": 9,
    "permessage-deflate; server_max_window_bits=10; client_no_context_takeover": 10,
    "permessage-deflate; server_max_window_bits=12, permessage-deflate": 12,
    "permessage-deflate; server_max_window_bits=7": 0,
    "permessage-deflate; unknown=1": 0,
    "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=12": 15,
}


class Frame(NamedTuple):
    fin: bool
    rsv1: bool
    opcode: int
    payload: bytes


class Closed(Exception):
    """The server sent a close frame (its code), or ended the connection without one (1006)."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


def framed(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A masked frame, as clients must send them."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + struct.pack("!H", size)
    else:
        length = b"\xff" + struct.pack("!Q", size)
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)
    return bytes([0x80 * fin | 0x40 * rsv1 | opcode]) + length + mask + masked


def deflated(payload: bytes) -> bytes:
    """A message compressed on its own, as permessage-deflate wants it."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Client:
    """`client = await Client.open(port, "market?page=2"); await client.message()`."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.head = b""
        self.controls: list[Frame] = []
        self.frames: list[Frame] = []
        self.heard: list[bytes] = []
        self.offer = self.wish = ""
        self._check: Callable[[bytes], None] = lambda _payload: None
        self._buffer = bytearray()
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(
        cls, port: int, target: str, offer: str = "", *, receive_buffer: int = 0, headers: tuple[str, ...] = ()
    ) -> Self:
        """Connect and shake hands. `target` is a feed with its query string, or a whole path."""
        client = await cls.connect(port, receive_buffer)
        client.offer = offer
        path, _, query = (target if target.startswith("/") else PREFIX + target).partition("?")
        client._check = contract.frames_of(path, query.encode())
        async with asyncio.timeout(PATIENCE):
            await client._shake_hands(target if target.startswith("/") else PREFIX + target, offer, headers)
        return client

    @classmethod
    async def connect(cls, port: int, receive_buffer: int = 0) -> Self:
        """A connection on which nothing has been said."""
        peer = socket.socket()
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setblocking(False)
        client = cls(peer)
        async with asyncio.timeout(PATIENCE):
            await client._loop.sock_connect(peer, ("127.0.0.1", port))
        return client

    async def _shake_hands(self, target: str, offer: str, headers: tuple[str, ...]) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers]
        lines += [f"Sec-WebSocket-Extensions: {offer}"] if offer else []
        await self.send_raw("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self.head, self._buffer = head, bytearray(rest)

    @property
    def agreed(self) -> str:
        """What the server answered about compression."""
        lines = self.head.decode().lower().split("\r\n")
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("sec-websocket-ext")), "")

    @property
    def window(self) -> int:
        """The bits of the window that the server may compress with; 0: not at all."""
        bits = [part.partition("=")[2] for part in self.agreed.split("; ") if part.startswith("server_max_window")]
        return int(bits[0]) if bits else 15 if self.agreed else 0

    # --- sending

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._loop.sock_sendall(self.peer, data)

    async def send(self, text: str) -> None:
        """Send a text message."""
        await self.send_raw(framed(TEXT, text.encode()))

    # --- receiving

    async def frame(self) -> Frame:
        """The next frame, whatever it is. Raises `Closed(1006)` when the connection ends."""
        async with asyncio.timeout(PATIENCE):
            first, second = await self._take(2)
            assert not second & 0x80, "a server must not mask"
            assert not first & 0x30, "RSV2 and RSV3 belong to nobody"
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(await self._take(2 if size == 126 else 8))
            made = Frame(bool(first & 0x80), bool(first & 0x40), first & 0x0F, bytes(await self._take(size)))
        self.frames.append(made)
        return made

    async def message(self) -> bytes:
        """The next message's payload, unpacked. Control frames go to `controls`. Raises `Closed`."""
        parts: list[Frame] = []
        while not (parts and parts[-1].fin):
            frame = await self.frame()
            if frame.opcode == CLOSE:
                code = int.from_bytes(frame.payload[:2]) if frame.payload else 1005
                raise Closed(code, frame.payload[2:].decode())
            if frame.opcode >= CLOSE:
                assert frame.fin
                assert len(frame.payload) < 126
                self.controls.append(frame)
            else:
                assert (frame.opcode == CONTINUATION) == bool(parts), "messages interleave"
                parts.append(frame)
        return self._whole(parts[0], b"".join(part.payload for part in parts))

    def _whole(self, first: Frame, payload: bytes) -> bytes:
        """A message's payload, unpacked; a text must be in the schema of its address."""
        payload = self._inflated(payload) if first.rsv1 else payload
        if first.opcode == TEXT:
            self._check(payload)
        return payload

    def _inflated(self, payload: bytes) -> bytes:
        assert self.window, "compressed, although that was not agreed"
        # In small bites zlib has only the window to look back into, and refuses what reaches further than was agreed.
        bite = 1 << 20 if self.window == 15 else 64
        inflate, data = zlib.decompressobj(wbits=-self.window), b""
        rest = payload + b"\x00\x00\xff\xff"
        while rest:
            data += inflate.decompress(rest, bite)
            rest = inflate.unconsumed_tail
        assert not inflate.unused_data
        return data

    async def closed(self) -> int:
        """The code the server closes with (1006: without one), whatever comes before it."""
        try:
            while True:
                await self.message()
        except Closed as closed:
            return closed.code

    async def pong(self, payload: bytes = b"are you there") -> list[bytes]:
        """Ping, and the messages that came before the answer."""
        await self.send_raw(framed(PING, payload))
        messages, answer = [], Frame(fin=True, rsv1=False, opcode=PONG, payload=payload)
        while answer not in self.controls:
            frame = await self.frame()
            if frame.opcode >= CLOSE:
                self.controls.append(frame)
            else:
                messages.append(self._whole(frame, frame.payload))
        self.controls.remove(answer)
        return messages

    # --- ending

    def close(self) -> None:
        """End the connection as an exiting program does."""
        self.peer.close()

    @property
    def is_reset(self) -> bool:
        """Whether the server has reset the connection, which a client that never reads does not learn otherwise."""
        return self.peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([7])  # TCP_CLOSE

    def reset(self) -> None:
        """End the connection with RST."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()

    async def _take(self, size: int) -> bytearray:
        while len(self._buffer) < size:
            await self._more()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def _more(self) -> None:
        try:
            data = await self._loop.sock_recv(self.peer, 262_144)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(1006)
        self._buffer += data
