"""A relay in front of a server, with the faults that a network has."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
import weakref
from dataclasses import dataclass

_CHUNK = 65_536


@dataclass(frozen=True)
class Behaviour:
    """What a relay does with what passes. `hang`: nothing passes and nobody is told; `lose`: besides, connections that
    are open stay dead for ever; `refuse`: connections are reset; `delay`: seconds that each piece is on its way;
    `rate`: bytes a second in each direction of a connection, 0 for no bound."""

    hang: bool = False
    lose: bool = False
    refuse: bool = False
    delay: float = 0.0
    rate: int = 0


class Relay:
    """Listens on an address of loopback and passes everything on to `target`: the path of a unix socket, or a port.
    `window`: the bytes that the kernel takes from the target's side beyond what has been passed on, 0 for the usual."""

    def __init__(self, target: str | int, address: tuple[str, int] = ("127.0.0.1", 0), window: int = 0) -> None:
        self.target, self._window = target, window
        self._behaviour = Behaviour()
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: weakref.WeakSet[asyncio.Task[None] | None] = weakref.WeakSet()
        #: Connections of an earlier age are lost.
        self._age = 0
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, *address), self._loop)
        self._server = server.result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def behave(self, behaviour: Behaviour = Behaviour()) -> None:
        """Behave so from now on, towards open connections too."""

        def change() -> None:
            self._behaviour = behaviour
            self._age += behaviour.lose
            (self._passing.clear if behaviour.hang or behaviour.lose else self._passing.set)()
            if behaviour.refuse:
                self._reset(1.0)

        self._loop.call_soon_threadsafe(change)

    def cut(self, part: float = 1.0) -> None:
        """Reset that part of the open connections."""
        self._loop.call_soon_threadsafe(self._reset, part)

    def close(self) -> None:
        """End every connection and stop listening."""

        async def end() -> None:
            self._server.close()
            self._reset(1.0)
            # What asyncio has just accepted must come to an end, or its socket stays open.
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks & set(self._serving):
                    task.cancel()
                await asyncio.wait(tasks)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _reset(self, part: float) -> None:
        for writer in list(self._writers):
            if random.random() < part:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError):  # by `close`
            await self._relay(reader, writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._behaviour.refuse:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            await self._passing.wait()
            far_reader, far_writer = await self._reach()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass_on(reader, far_writer))
                    group.create_task(self._pass_on(far_reader, writer))
            finally:
                far_writer.transport.abort()
        except* OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        far = socket.socket()
        far.setblocking(False)
        if self._window:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
        try:
            await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self.target))
            return await asyncio.open_connection(sock=far, limit=self._window or _CHUNK)
        except BaseException:
            far.close()
            raise

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction on; what is delayed travels together, as on a long line."""
        age = self._age
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arrive(travelling, writer))
        try:
            while data := await reader.read(min(self._behaviour.rate // 4, _CHUNK) or _CHUNK):
                await self._passing.wait()
                if age != self._age:
                    await asyncio.Event().wait()
                if self._behaviour.rate:
                    await asyncio.sleep(len(data) / self._behaviour.rate)
                if self._behaviour.delay:
                    travelling.put_nowait((time.monotonic() + self._behaviour.delay, data))
                else:
                    await travelling.join()  # what was delayed before comes first
                    writer.write(data)
                await writer.drain()
            await travelling.join()
            with contextlib.suppress(OSError):
                writer.write_eof()
        finally:
            arriving.cancel()

    @staticmethod
    async def _arrive(travelling: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            at, data = await travelling.get()
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            writer.write(data)
            travelling.task_done()
