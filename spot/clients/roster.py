"""The roster: every open connection of this process, and how many each key has in the other processes.

A connection is admitted by what is known here, without asking anybody. Processes share what they have every second
(`spot.clients.leases`): where a key has more than its plan allows in all of them together, the newest give way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from spot.clients.meter import Meter
from spot.clients.plans import Client
from spot.clients.usage import usage
from spot.codes import Refused
from spot.snapshots import now_ms

#: The connections of a key in one process: how many, or, where the plan has a limit, since when each (epoch ms).
Open = int | list[int]


class Connected(Protocol):
    """A connection, through whichever door."""

    @property
    def who(self) -> Client: ...

    #: Counts what it is sent; None: with a key one is made.
    meter: Meter | None

    @property
    def protocol(self) -> str:
        """The vendor's protocol that it speaks; "": one of our own."""

    @property
    def speaks(self) -> str:
        """The name of its dialect."""

    def dismiss(self, refused: Refused) -> None:
        """Tell the client why, and end the connection soon. Returns at once."""


class Roster:
    """The open connections of this process."""

    def __init__(self) -> None:
        #: In the order in which they came.
        self.connections: dict[Connected, None] = {}
        self.keyed: dict[str, dict[Connected, int]] = defaultdict(dict)
        #: Those of the site's own pages where nobody is served without a key.
        self.of_pages: set[Connected] = set()
        #: The connections of each key in other processes, as they said last.
        self.elsewhere: dict[str, int] = {}
        self.is_ending = False
        #: Called when a connection whose number is limited comes or goes.
        self.changed: Callable[[], None] = lambda: None

    def enter(self, connection: Connected) -> None:
        """Count an admitted connection in."""
        self.connections[connection] = None
        if connection.who.until is not None:
            self.of_pages.add(connection)
        if (key := connection.who.key) is not None:
            connection.meter = connection.meter or Meter()
            connection.meter.take()  # what it was sent before it showed the key is nobody's
            self.keyed[key][connection] = now_ms()
            usage.connect(key)
            if connection.who.plan.connections:
                self.changed()

    def leave(self, connection: Connected) -> None:
        """Count it out. Harmless when it is not here."""
        if connection not in self.connections:
            return
        del self.connections[connection]
        self.of_pages.discard(connection)
        if (key := connection.who.key) is not None:
            self._read(key, connection)
            del self.keyed[key][connection]
            if not self.keyed[key]:
                del self.keyed[key]
            if connection.who.plan.connections:
                self.changed()

    def read_meters(self) -> Iterator[None]:
        """Count what connections have been sent, a thousand a step."""
        for count, (key, connection) in enumerate(
            [(key, connection) for key, connections in self.keyed.items() for connection in connections], 1
        ):
            self._read(key, connection)
            if count % 1000 == 0:
                yield

    def _read(self, key: str, connection: Connected) -> None:
        if connection.meter is not None:
            usage.send(key, *connection.meter.take())

    # --- limits in all processes -------------------------------------------------------------------------------------

    def elsewhere_of(self, client: Client) -> int:
        """How many connections the client has in other processes."""
        return 0 if client.key is None else self.elsewhere.get(client.key, 0)

    def end(self) -> None:
        """Count for the other processes no more what is open here: it is about to come to them."""
        self.is_ending = True
        self.changed()

    def open(self) -> dict[str, Open]:
        """The connections of each key here that count."""
        return (
            {}
            if self.is_ending
            else {
                key: sorted(connections.values()) if _limit(connections) else len(connections)
                for key, connections in self.keyed.items()
            }
        )

    def compare(self, process: str, others: Mapping[str, Mapping[str, Open]]) -> list[tuple[Connected, Refused]]:
        """Take over what each other process has. Returns the connections here that are too many, with the reason."""
        elsewhere: dict[str, int] = defaultdict(int)
        for report in others.values():
            for key, opened in report.items():
                elsewhere[key] += opened if isinstance(opened, int) else len(opened)
        self.elsewhere = dict(elsewhere)
        surplus = []
        for key, connections in self.keyed.items():
            limit = _limit(connections)
            if limit and len(connections) + self.elsewhere.get(key, 0) > limit:
                reports = ((name, report.get(key, 0)) for name, report in others.items())
                newest = _newest(process, connections, reports, limit)
                surplus += [(connection, too_many(limit)) for connection in newest]
        return surplus


def _limit(connections: Iterable[Connected]) -> int:
    return next(iter(connections)).who.plan.connections


def _newest(
    process: str, connections: Mapping[Connected, int], others: Iterable[tuple[str, Open]], limit: int
) -> list[Connected]:
    """The connections here that are not among the first `limit` of all. Every process comes to the same order."""
    places: list[tuple[int, str, Connected | None]] = [
        (since, process, connection) for connection, since in connections.items()
    ]
    for name, opened in others:
        places += [(since, name, None) for since in ([0] * opened if isinstance(opened, int) else opened)]
    places.sort(key=lambda place: place[:2])
    return [connection for _, _, connection in places[limit:] if connection is not None]


def too_many(limit: int) -> Refused:
    """The refusal of more connections than a key may have."""
    message = f"At most {limit} connections with this key at a time, in all; close one and try again."
    return Refused("too_many_connections", message)


#: The roster of this process.
roster = Roster()
