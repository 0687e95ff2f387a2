"""What an adapter declares about a stream, and what a stream brings. Pure: `providers.streams.worker` does the talking.

A `Session` is one connection's side of a provider's protocol: messages in, events out. It opens no socket, reads no
clock and waits for nothing, so that it can be tried message by message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from providers.datasets import Row
from providers.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Topic:
    """What can be followed: a coin's price (`coin` is the provider's own id) in a currency, or an on-chain channel
    (`onchain` is a dataset's topic). A stream of announcements needs none."""

    coin: str = ""
    currency: str = "usd"
    onchain: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A coin's newest values. `coin` is the provider's own id; `values` holds some of `COIN_FIELDS`, at least `price`;
    `at` is the provider's time in epoch ms. `sequence` grows with time where the provider counts, else 0."""

    coin: str
    currency: str
    values: Mapping[str, float | int]
    at: int | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement: a row of `LISTING_FIELDS` but for `received_at` and `source`."""

    row: Row


@dataclass(frozen=True, slots=True)
class Happened:
    """An on-chain event: the topic it belongs to, and a row of `ONCHAIN_FIELDS`."""

    topic: str
    row: Row


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life without data: a heartbeat, an acknowledgement."""

    at: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no. `fatal`: the connection is of no more use; else only this request was refused."""

    error: ProviderError
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class Leaving:
    """The provider is about to close: connect again within that many seconds."""

    within: float = 0.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A message that could not be believed. `why` goes to the log and is counted."""

    why: str


Event = Tick | Announced | Happened | Alive | Refused | Leaving | Dropped


class Session(Protocol):
    """One connection. All methods return at once; texts to be sent come back as lists, oldest first."""

    def opened(self) -> list[str]:
        """The connection stands: what to say first."""

    def follow(self, topics: Sequence[Topic]) -> list[str]:
        """Carry exactly these from now on. May be called before the provider's welcome; what must wait for it is said
        by `receive` through `pending`."""

    def pending(self) -> list[str]:
        """What is to be sent now because of what was received."""

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        """What a message means. Never raises: what cannot be read is `Dropped`."""

    def beat(self, now_ms: int) -> list[str]:
        """What is due by the clock, such as pings; called about once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How a provider's stream is had.

    `session(key)` makes the protocol side of one connection (the key, for providers that want it in a message).
    `headers(key)` go with the handshake. `refused(status, body)` says what an HTTP answer to the handshake means,
    `closed(code, reason)` what a close does (None: nothing wrong, connect again). `silence_seconds`: without any
    message for so long the connection is dead; `stale_seconds`: without data for so long, although something is
    followed, it is frozen (None: data come rarely). Reconnects back off from `first_pause` to `longest_pause` seconds.
    `millicredits` is what the month is charged for a message with data, in thousandths of a credit.
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
    currencies: frozenset[str] = frozenset({"usd"})  # in which it states prices; empty: in any
    query: Mapping[str, Any] = field(default_factory=dict)  # of the handshake's address
