"""A stream as an adapter declares it, and the events it produces. Pure: `providers.streams.worker` does the I/O.

A `Session` is the protocol of one connection: messages in, events out. It opens no socket, reads no clock and does not
wait, so tests drive it message by message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from providers.datasets import Row
from providers.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Channel:
    """A subscription to one stream: a coin's price (`coin` is the provider's own id) in a currency, or on-chain events
    (`onchain` is a dataset's topic). A stream of announcements has no channels."""

    coin: str = ""
    currency: str = "usd"
    onchain: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A coin's newest values. `coin` is the provider's own id; `values` has some of `COIN_FIELDS`, at least `price`;
    `at` is the provider's time in epoch ms. `sequence` is the provider's sequence number, 0 where it sends none."""

    coin: str
    currency: str
    values: Mapping[str, float | int]
    at: int | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement: a row of `LISTING_FIELDS` without `received_at` and `source`."""

    row: Row


@dataclass(frozen=True, slots=True)
class OnchainEvent:
    """An on-chain event: the topic of its dataset, and a row of `ONCHAIN_FIELDS`."""

    topic: str
    row: Row


@dataclass(frozen=True, slots=True)
class Alive:
    """The connection works, without data: a heartbeat, an acknowledgement."""

    at: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider rejected a request. `fatal`: the connection is unusable; else only this request failed."""

    error: ProviderError
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The provider announces that it will close the connection: reconnect within that many seconds."""

    within: float = 0.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """An invalid message, ignored. `why` is logged and counted."""

    why: str


Event = Tick | Announced | OnchainEvent | Alive | Rejected | GoingAway | Dropped


class Session(Protocol):
    """The protocol of one connection. No method blocks; each returns the messages to send, oldest first."""

    def opened(self) -> list[str]:
        """The first messages of an open connection."""

    def subscribe(self, channels: Sequence[Channel]) -> list[str]:
        """Subscribe to exactly these channels. It may be called before the provider's welcome; messages that must wait
        for the welcome are returned by `pending`."""

    def pending(self) -> list[str]:
        """The messages that the last `receive` made necessary."""

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        """Decode a message. Never raises: an invalid message is `Dropped`."""

    def beat(self, now_ms: int) -> list[str]:
        """The messages due by the clock, such as pings; called about once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A provider's stream.

    `session(key)` makes the protocol of one connection (with the key, for providers that expect it in a message).
    `headers(key)` are sent with the handshake. `refused(status, body)` translates an HTTP response to the handshake,
    `closed(code, reason)` a close (None: no error, reconnect). After `silence_seconds` without any message the
    connection is dead; after `stale_seconds` without data, although channels are subscribed, it is frozen (None: data
    are rare). Reconnects back off from `first_pause` to `longest_pause` seconds. Each message with data costs
    `millicredits`, thousandths of a credit, of the month.
    """

    session: Callable[[str], Session]
    headers: Callable[[str], Mapping[str, str]]
    refused: Callable[[int, bytes], ProviderError]
    closed: Callable[[int, str], ProviderError | None]
    silence_seconds: float
    stale_seconds: float | None = None
    first_pause: float = 1.0
    longest_pause: float = 300.0
    millicredits: int = 0
    brings: frozenset[str] = field(default_factory=frozenset)  # "ticks", "listings", "onchain"
    currencies: frozenset[str] = frozenset({"usd"})  # of its prices; empty: any
    query: Mapping[str, Any] = field(default_factory=dict)  # of the handshake's URL
