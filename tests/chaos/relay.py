"""A relay in front of a server, with the faults that a network has."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass

_CHUNK = 65_536


@dataclass(frozen=True)
class Behaviour:
    """What a relay does with what passes. `hang`: nothing passes and nobody is told; `refuse`: connections are reset;
    `delay`: seconds for each piece; `rate`: bytes a second in each direction of a connection, 0 for no bound."""

    hang: bool = False
    refuse: bool = False
    delay: float = 0.0
    rate: int = 0


class Relay:
    """Listens on a port of loopback and passes everything on to `target`: the path of a unix socket, or a port."""

    def __init__(self, target: str | int) -> None:
        self._target = target
        self._behaviour = Behaviour()
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop)
        self._server = server.result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def behave(self, behaviour: Behaviour = Behaviour()) -> None:
        """Behave so from now on, towards open connections too."""

        def change() -> None:
            self._behaviour = behaviour
            (self._passing.clear if behaviour.hang else self._passing.set)()
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
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _reset(self, part: float) -> None:
        for writer in list(self._writers):
            if random.random() < part:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._behaviour.refuse:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            await self._passing.wait()
            far = (
                asyncio.open_unix_connection(self._target)
                if isinstance(self._target, str)
                else asyncio.open_connection("127.0.0.1", self._target)
            )
            far_reader, far_writer = await far
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

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._passing.wait()
            pause = self._behaviour.delay + (len(data) / self._behaviour.rate if self._behaviour.rate else 0)
            if pause:
                await asyncio.sleep(pause)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
