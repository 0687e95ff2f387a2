"""Faults of a stand-in's HTTP responses, handshakes included: the sandbox's spoilers of a reply, and faults of sending
for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection

from providers.sandbox.faults import Fault
from providers.sandbox.reply import JSON, SPOILERS, Options, Reply

if TYPE_CHECKING:
    from standins.base import Standin

_MEBIBYTE = 1 << 20
#: Spoilers with bodies of another provider; a stand-in has errors of its own.
_WORDED = {"status", "error", "rate_limited"}


@dataclass(frozen=True, slots=True)
class Sending:
    """A reply to be sent (None: a successful handshake), and the context of a fault."""

    standin: Standin
    connection: ServerConnection
    ending: asyncio.Event
    reply: Reply | None

    async def wait(self, seconds: float) -> None:
        """Wait, at most until the stand-in stops."""
        try:
            await asyncio.wait_for(self.ending.wait(), seconds)
        except TimeoutError:
            return

    async def cut(self) -> None:
        """Cut the connection."""
        self.connection.transport.abort()
        await self.connection.wait_closed()


async def _status(sending: Sending, options: Options) -> Reply | None:
    return sending.standin.refusal(options["status"], options["message"], options["body"]).reply


async def _rate_limited(sending: Sending, options: Options) -> Reply | None:
    seconds = options["retry_after"]
    headers = {} if seconds is None else {"Retry_After": str(seconds)}
    return sending.standin.refusal(429, options["message"], **headers).reply


async def _slow(sending: Sending, options: Options) -> Reply | None:
    await sending.wait(options["seconds"])
    return sending.reply


async def _hang(sending: Sending, options: Options) -> Reply | None:
    await sending.wait(options["seconds"])
    await sending.cut()
    return sending.reply


async def _disconnect(sending: Sending, _options: Options) -> Reply | None:
    await sending.cut()
    return sending.reply


async def _truncated(sending: Sending, options: Options) -> Reply | None:
    if sending.reply is None:
        return None
    body = sending.reply.body
    headers = sending.reply.headers | {"Content-Length": str(len(body))}
    return replace(sending.reply, headers=headers, body=body[: int(len(body) * options["part"])])


async def _oversize(_sending: Sending, options: Options) -> Reply | None:
    return Reply(200, {"Content-Type": JSON}, b"[" + b" " * (options["bytes"] - 1))


_SENDERS: dict[str, tuple[Options, Callable[[Sending, Options], Awaitable[Reply | None]]]] = {
    "status": ({"status": 503, "message": "Service Unavailable", "body": None}, _status),
    "rate_limited": ({"retry_after": 119, "message": "Too many requests"}, _rate_limited),
    "slow": ({"seconds": 1.0}, _slow),
    "hang": ({"seconds": 600.0}, _hang),
    "disconnect": ({}, _disconnect),
    "truncated": ({"part": 0.5}, _truncated),
    "oversize": ({"bytes": 20 * _MEBIBYTE}, _oversize),
}
_SPOILERS = {kind: spoiler for kind, spoiler in SPOILERS.items() if kind not in _WORDED}
#: Every kind of fault of a stand-in's HTTP, with its options and their defaults.
KINDS: dict[str, dict[str, Any]] = {
    kind: options for table in (_SENDERS, _SPOILERS) for kind, (options, _) in table.items()
}


async def sent(fault: Fault, sending: Sending) -> Reply | None:
    """The reply with the fault, which replaces the original."""
    if fault.kind in _SENDERS:
        return await _SENDERS[fault.kind][1](sending, fault.options)
    return sending.reply and _SPOILERS[fault.kind][1](sending.reply, fault.options)
