"""The book: every key and plan in the memory of a web process, so that no handshake asks the database.

`spot.clients.desk` renews it. A key is looked up by its hash and compared in constant time.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from spot.clients import keys
from spot.clients.plans import Client, Plan, anonymous, network, open_to_everybody
from spot.codes import Refused

#: The channel-layer group of every web process's desk, and the type of the message that keys or plans have changed.
GROUP, CHANGED = "clients", "clients.changed"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: By so many bytes of its hash a key is found; the whole hash is compared.
_NAME = 8


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its text. `id` is public; times are epoch ms."""

    id: str
    digest: bytes
    plan: Plan
    expires: int | None = None
    revoked: bool = False
    #: Whether its plan is switched off.
    suspended: bool = False
    origins: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def problem(self, now_ms: int) -> Refused | None:
        """Why the key is good for nobody now."""
        if self.revoked:
            return Refused("key_revoked", "This key has been revoked. Ask the operator of this site for another.")
        if self.expires is not None and self.expires <= now_ms:
            when = f"{datetime.fromtimestamp(self.expires / 1000, UTC):%Y-%m-%d %H:%M} UTC"
            return Refused("key_expired", f"This key expired on {when}. Ask the operator of this site for another.")
        if self.suspended:
            return Refused("key_revoked", "The plan of this key is switched off. Ask the operator of this site.")
        return None

    def client(self, address: str, origin: str | None) -> Client:
        """The client with this key at that address, on a page of that origin. Raises `Refused`."""
        if self.networks and not _within(address, self.networks):
            raise Refused("forbidden_network", f"This key may not be used from {network(address)}.")
        if self.origins and origin is not None and not self.origins & {origin, "*"}:
            allowed = ", ".join(sorted(self.origins))
            raise Refused("forbidden_origin", f"This key is for pages of {allowed}.", "Origin", allowed)
        return Client(f"key:{self.id}", address, self.plan, self.id, self.digest, self.origins)


@dataclass(frozen=True, slots=True)
class Contents:
    """What the database says: keys, whether everybody without one is served, with which plan (None: as the settings
    say), and the millicredits that each key has used this month, up to yesterday and today (UTC)."""

    keys: tuple[Key, ...] = ()
    is_open: bool = True
    anonymous: Plan | None = None
    used: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False)
    #: Protocols of other vendors that are switched off.
    switched_off: frozenset[str] = frozenset()


class Book:
    """The keys and plans of this process."""

    def __init__(self) -> None:
        self._contents: Contents | None = None
        self._keys: dict[bytes, Key] = {}
        #: Whether the database has been asked: until then nobody is refused for what it may say.
        self.settled = False
        #: Whether keys are known; if not, those who show one are asked to come again.
        self.read = False
        #: Whether who has no key is served.
        self.is_open = True
        #: Origins whose pages may show some key.
        self.origins: frozenset[str] = frozenset()
        self._switched_off: frozenset[str] = frozenset()

    def fill(self, contents: Contents) -> bool:
        """Replace everything; whether that is something new."""
        self.settled = self.read = True
        if contents == self._contents:
            return False
        self._contents = contents
        self._keys = {key.digest[:_NAME]: key for key in contents.keys}
        self.origins = frozenset(origin for key in contents.keys for origin in key.origins)
        self.is_open, self._switched_off = contents.is_open, contents.switched_off
        open_to_everybody(contents.anonymous)
        return True

    def find(self, text: str) -> Key | None:
        """The key of that text."""
        return next((key for digest in keys.digests(text) if (key := self.at(digest)) is not None), None)

    def at(self, digest: bytes) -> Key | None:
        """The key of that hash."""
        key = self._keys.get(digest[:_NAME])
        return key if key is not None and hmac.compare_digest(key.digest, digest) else None

    def serves(self, protocol: str) -> bool:
        """Whether the operator lets another vendor's protocol be served."""
        return protocol not in self._switched_off

    def judge(self, client: Client, now_ms: int, protocol: str = "") -> Refused | None:
        """Why a client that has been let in may not stay as it is."""
        if not self.serves(protocol):
            return switched_off(protocol)
        if client.digest is None:
            return None if self.is_open else _without_key(client, now_ms)
        key = self.at(client.digest)
        if key is None:
            return Refused("bad_key", "This key has been replaced or deleted.")
        return key.problem(now_ms)

    def plan_of(self, client: Client) -> Plan:
        """The plan that a client has by now."""
        key = None if client.digest is None else self.at(client.digest)
        return anonymous(client.address).plan if key is None else key.plan

    def expiry_of(self, client: Client) -> int | None:
        """When a client's key expires, epoch ms; None: never."""
        key = None if client.digest is None else self.at(client.digest)
        return None if key is None else key.expires

    def expiries(self) -> Iterable[int]:
        """When keys expire, epoch ms."""
        return (key.expires for key in self._keys.values() if key.expires is not None)

    def __len__(self) -> int:
        return len(self._keys)


def key_required() -> Refused:
    """The refusal of clients without a key, where nobody is served without one."""
    return Refused("key_required", "This site serves its data with a key only: send it in the header X-API-Key.")


def _without_key(client: Client, now_ms: int) -> Refused | None:
    """Why a client without a key may not stay where nobody is served without one."""
    if client.until is None:
        return key_required()
    if now_ms < client.until:
        return None
    return Refused("plan_changed", "The sign-in is checked from time to time. Connect again.")


def switched_off(protocol: str) -> Refused:
    """The refusal of whoever speaks a protocol that is switched off."""
    return Refused("unknown_feed", f"The protocol {protocol} is switched off on this site. Ask its operator.")


def _within(address: str, networks: Iterable[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)


#: The book of this process.
book = Book()
