"""Finds the primary whose Redis is behind Sentinels or is a Cluster, each time that a connection is made.

The store, the channel layer and Celery make connections by different libraries and pools. What they share is the
connection itself, so that this is where the primary is looked up: one rule for sync, async and kombu, and a
connection that breaks goes to the new primary by itself.

All keys of Spot are in one slot of a cluster (`key_prefix`), so that its scripts and transactions, which use several
keys, work there as everywhere, and one node has them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import redis
import redis.asyncio
from redis.connection import HiredisRespSerializer
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as LostError

from spot_project.redis_address import RedisAddress, shown

_PREFIX, _TAGGED = "spot:", "{spot}:"
#: The slot of a cluster in which all keys are.
SLOT = key_slot(b"spot")
#: The most seconds that one node may take to connect, and to answer.
_SECONDS = 2
#: The most nodes of a cluster that are remembered besides those of the URL.
_LEARNT = 30


class Node(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


class PrimaryNotFound(LostError):
    """No connection can be made: nobody says where the primary is."""


class NoNodeAnswers(PrimaryNotFound):
    """None of the Sentinels, or of the nodes of the cluster, can be asked."""


class SentinelRefuses(PrimaryNotFound):
    """The Sentinels answer with an error, as when they ask for a password."""


class UnknownService(PrimaryNotFound):
    """No Sentinel watches the service."""


class SlotNotServed(PrimaryNotFound):
    """No node of the cluster serves Spot's slot."""


class NotPrimary(LostError):
    """The server found is a replica by now."""


class PrimaryFinder:
    """Finds the primary of an address by asking its nodes: the one that answered last first, unless the primary that it
    named could not be used."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self.nodes = tuple(Node(*node) for node in address.nodes)
        self._known = self.nodes
        self._primary: Node | None = None
        limits = {name: min(_SECONDS, address.options[name]) for name in ("socket_timeout", "socket_connect_timeout")}
        self._options = address.asking | limits | {"health_check_interval": 0}

    @property
    def in_cluster(self) -> bool:
        """Whether the primary is a node of a cluster."""
        return self.address.topology == "cluster"

    # --- asking -----------------------------------------------------------------------------------------------------

    def ask(self, node: Node, *command: str) -> Any:
        """The answer of one node. Raises `RedisError`."""
        kind = redis.SSLConnection if self.address.kind == "tls" else redis.Connection
        connection = kind(host=node.host, port=node.port, **self._options)
        try:
            connection.connect()
            connection.send_command(*command)
            return connection.read_response()
        except OSError as error:
            raise LostError(str(error)) from error
        finally:
            connection.disconnect()

    async def _ask_soon(self, node: Node, *command: str) -> Any:
        kind = redis.asyncio.SSLConnection if self.address.kind == "tls" else redis.asyncio.Connection
        connection = kind(host=node.host, port=node.port, **self._options)
        try:
            await connection.connect()
            await connection.send_command(*command)
            return await connection.read_response()
        except OSError as error:
            raise LostError(str(error)) from error
        finally:
            await connection.disconnect(nowait=True)

    # --- finding ----------------------------------------------------------------------------------------------------

    def find(self) -> tuple[Node, bool]:
        """The primary, and whether it is another one than the last time. Raises `PrimaryNotFound`."""
        errors: list[RedisError] = []
        for node in self._known:
            try:
                primary = self.primary_in(self.ask(node, *self.question), node)
            except RedisError as error:
                errors.append(error)
            else:
                if primary is not None:
                    return self._found(primary, node)
        raise self._failure(errors)

    async def find_soon(self) -> tuple[Node, bool]:
        """The same from an event loop."""
        errors: list[RedisError] = []
        for node in self._known:
            try:
                primary = self.primary_in(await self._ask_soon(node, *self.question), node)
            except RedisError as error:
                errors.append(error)
            else:
                if primary is not None:
                    return self._found(primary, node)
        raise self._failure(errors)

    @property
    def question(self) -> tuple[str, ...]:
        """The command that asks for the primary."""
        if self.address.topology == "sentinel":
            return "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.address.service
        return "CLUSTER", "SLOTS"

    def primary_in(self, answer: Any, node: Node) -> Node | None:
        """The primary that a node's answer names; None if it knows none."""
        if self.address.topology == "sentinel":
            return Node(_text(answer[0]), int(answer[1])) if answer else None
        primary = None
        for first, last, *servers in answer:
            places = [Node(_text(host or b"") or node.host, int(port)) for host, port, *_ in servers]
            self._learn(places)
            if first <= SLOT <= last:
                primary = places[0]
        return primary

    def doubt(self) -> None:
        """The primary could not be used: ask another node first the next time. One that the others cannot reach names
        a dead primary for ever."""
        self._known = (*self._known[1:], *self._known[:1])

    def _learn(self, nodes: list[Node]) -> None:
        """Remember nodes that the URL does not name."""
        more = [node for node in nodes if node not in self._known]
        if more:
            learnt = [*more, *(node for node in self._known if node not in self.nodes)][:_LEARNT]
            self._known = tuple(node for node in (*self._known, *more) if node in self.nodes or node in learnt)

    def _found(self, primary: Node, by: Node) -> tuple[Node, bool]:
        before, self._primary = self._primary, primary
        self._known = (by, *(node for node in self._known if node != by))
        moved = before not in (None, primary)
        if moved:
            import structlog  # noqa: PLC0415  `manage.py alive` does without it

            structlog.get_logger(__name__).warning("redis has another primary", primary=shown(*primary))
        return primary, moved

    def _failure(self, errors: list[RedisError]) -> PrimaryNotFound:
        is_sentinel = self.address.topology == "sentinel"
        failure: type[PrimaryNotFound]
        if len(errors) < len(self._known):  # somebody has answered, and knows no primary
            failure = UnknownService if is_sentinel else SlotNotServed
        else:
            refused = is_sentinel and any(isinstance(error, AuthenticationError | ResponseError) for error in errors)
            failure = SentinelRefuses if refused else NoNodeAnswers
        error = failure(f"{failure.__name__}: {errors[-1] if errors else ''}")
        error.__cause__ = errors[-1] if errors else None
        return error


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


# --- keys in a cluster ----------------------------------------------------------------------------------------------


class TaggedKeys(HiredisRespSerializer):
    """Packs the commands of a sync connection."""

    def pack(self, *command: Any) -> list[bytes]:
        """The command as it is sent."""
        packed: list[bytes] = super().pack(*tagged(command))
        return packed


def tagged(command: Iterable[Any]) -> tuple[Any, ...]:
    """A command whose keys, which begin with `spot:`, begin with `{spot}:`."""
    return tuple(map(_tagged, command))


def _tagged(part: Any) -> Any:
    if isinstance(part, str) and part.startswith(_PREFIX):
        return _TAGGED + part[len(_PREFIX) :]
    if isinstance(part, bytes) and part.startswith(_PREFIX.encode()):
        return _TAGGED.encode() + part[len(_PREFIX) :]
    return part


def key_prefix(address: RedisAddress) -> str:
    """What the keys of a Redis begin with."""
    return _TAGGED if address.topology == "cluster" else _PREFIX


def untagged(names: Iterable[bytes]) -> list[bytes]:
    """Names of keys as a cluster lists them, as the code knows them."""
    tagged, plain = _TAGGED.encode(), _PREFIX.encode()
    return [plain + name[len(tagged) :] if name.startswith(tagged) else name for name in names]
