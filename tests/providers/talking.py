"""One connection of a provider's stream over a real socket, step by step: what the worker does, by hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from providers.stream import Channel, Event, Stream


class Talk:
    """A session of a stream and its socket. `next()` gives the events of the next message, arrived at `now_ms`."""

    def __init__(self, stream: Stream, key: str, socket: ClientConnection) -> None:
        self.session, self._socket = stream.session(key), socket
        self.say(self.session.opened())

    def subscribe(self, *channels: Channel) -> None:
        self.say(self.session.subscribe(channels))

    def beat(self, now_ms: int) -> None:
        self.say(self.session.beat(now_ms))

    def next(self, now_ms: int = 4_000_000_000_000) -> Sequence[Event]:
        events = self.session.receive(self._socket.recv(timeout=10), now_ms)
        self.say(self.session.pending())
        return events

    def close(self) -> None:
        self._socket.close()

    def say(self, messages: Sequence[str]) -> None:
        for message in messages:
            self._socket.send(message)


@contextmanager
def talk(stream: Stream, url: str, key: str) -> Iterator[Talk]:
    with connect(url, additional_headers=dict(stream.headers(key)), proxy=None) as socket:
        yield Talk(stream, key, socket)
