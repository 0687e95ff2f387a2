"""cryptolisting.ws's stand-in: both versions of its protocol, its handshake, heartbeats and closes.

Binary frames, UTF-8 JSON. `generation` 1 is the older version: `key_revoked`, `publishTimestampUs`, 30 messages a
minute. `pulse_seconds` is the interval of heartbeats; each `every`-th one brings an invented announcement (0: none).
`announce` sends others, and so does GET `/announce?title=…&ticker=…&exchange=…&kind=…`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any, ClassVar

from standins.base import Peer, Request, Standin, encoded

#: All documented types of announcements.
TYPES = (
    "spot_listing", "spot_delisting", "futures_listing", "futures_delisting", "hodler_airdrop", "monitoring_tag_extend",
    "monitoring_tag_remove", "caution_released", "not_listing",
)  # fmt: skip
#: The exchanges of the hosts.
EXCHANGES = ("binance", "upbit", "bithumb")
_INVENTED = ("AAAX", "BBBX", "CCCX", "DDDX", "EEEX", "FFFX", "GGGX", "HHHX")
_MINUTE_MS = 60_000


class Cryptolisting(Standin):
    """The Tokyo host. `tier` "SpeedTrial" redacts titles and tickers, as the trial does; `allowed` are the key's
    exchanges (None: all)."""

    stream_path: ClassVar[str | None] = "/"
    has_rest: ClassVar[bool] = False
    ping_seconds: ClassVar[float | None] = 15.0
    pong_seconds: ClassVar[float] = 30.0
    max_message: ClassVar[int] = 1 << 16  # `received` rejects messages over 1 KB with the provider's reason

    def __init__(
        self, *, generation: int = 2, tier: str = "", every: int = 1, pulse_seconds: float = 30.0, **common: Any
    ) -> None:
        super().__init__(pulse_seconds=pulse_seconds, **common)
        self.generation, self.every = generation, every
        self.tier = tier or ("premium" if generation == 1 else "FreeDelayed")
        self.allowed: tuple[str, ...] | None = None
        self.expires_in: int | None = 2_592_000
        self.connections_a_minute, self.connections_an_address = 10, 20
        self.cooling = False
        self.announced = 0
        self._arrivals: deque[int] = deque(maxlen=1000)
        self._by_hand: list[asyncio.Future[None]] = []

    @property
    def messages_a_minute(self) -> int:
        """The limit of a client's messages."""
        return 30 if self.generation == 1 else 3

    # --- the handshake ------------------------------------------------------------------------------------------------
    def admit(self, request: Request) -> None:
        """Key, then limits."""
        key = request.headers.get("x-api-key", "")
        if not key:
            raise self.refusal(401, "missing_api_key")
        if self.key and key != self.key:
            raise self.refusal(403, "invalid_api_key")
        while self._arrivals and self._arrivals[0] <= request.at - _MINUTE_MS:
            self._arrivals.popleft()
        if self.cooling:
            raise self.refusal(429, "connection_cooldown")
        if len(self._arrivals) >= self.connections_a_minute:
            raise self.refusal(429, "connection_rate_limit_exceeded")
        if len(self.peers) >= self.connections_an_address:
            raise self.refusal(429, "per_ip_concurrent_limit_reached")
        self._arrivals.append(request.at)

    def answer(self, request: Request) -> Any:
        """Reject a plain GET, except `/announce`, which sends an announcement."""
        if request.path == "/announce":
            facts = {name: request.params[name] for name in ("ticker", "exchange", "kind") if name in request.params}
            message = self.worded(request.params.get("title", "Something is announced"), **facts)
            self._by_hand = [asyncio.ensure_future(self._announce(peer, message)) for peer in self.peers]
            return message
        raise self.refusal(400 if self.generation == 1 else 426, "upgrade_required", Upgrade="websocket")

    def refused(self, _status: int, message: str) -> Any:
        """`{"error": …}`; a cool-down has its length."""
        return {"error": message} | ({"retry_after_s": 5} if message == "connection_cooldown" else {})

    # --- messages sent ------------------------------------------------------------------------------------------------
    async def opened(self, peer: Peer) -> None:
        """The welcome, at once."""
        exchanges = {name.strip().lower() for name in peer.request.params.get("cex", "").split(",") if name.strip()}
        peer.memory["cex"], peer.memory["heard"] = exchanges, deque(maxlen=1000)
        await self._send(peer, self._welcome())

    def _welcome(self) -> dict[str, Any]:
        limits = (
            {"maxConnections": 5}
            if self.generation == 1
            else {"maxDistinctIps": 1, "maxConnectionsPerIp": 3, "absoluteMaxConnections": 20}
        )
        allowed: Any = "*" if self.allowed is None else list(self.allowed)
        return {
            "type": "welcome",
            "tier": self.tier,
            **limits,
            "allowedCex": allowed,
            "expiresInSecs": self.expires_in,
        }

    async def pulse(self, peer: Peer) -> None:
        """A heartbeat, and with `every` an announcement from time to time."""
        await self._send(peer, self.heartbeat())
        if self.every and peer.pulses % self.every == 0:
            await self._announce(peer, self._invented(peer.pulses // self.every))

    def heartbeat(self) -> dict[str, Any]:
        """A heartbeat with the present time."""
        now = self.now()
        iso = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="microseconds")
        return {"type": "heartbeat", "timestampNs": now * 1_000_000, "timeUtc": iso.replace("+00:00", "Z")}

    def worded(
        self, title: str, ticker: str = "", exchange: str = "binance", kind: str = "spot_listing"
    ) -> dict[str, Any]:
        """An announcement in the form of its generation, redacted for that tier."""
        now_us, hidden = self.now() * 1000, self.tier == "SpeedTrial"
        common = {
            "type": "announcement",
            "title": "[REDACTED]" if hidden else title,
            "ticker": "[REDACTED]" if hidden else ticker,
            "publisher": exchange,
            "listingType": kind,
        }
        times = {"detectedTimestampUs": now_us - 1000, "dispatchTimestampUs": now_us}
        if self.generation == 1:
            return common | {"publishTimestampUs": now_us - 5000} | times
        return common | times | {"abnormalDetectionLatency": False}

    def announce(self, title: str, **facts: str) -> dict[str, Any]:
        """Send an announcement (`facts`: those of `worded`) to all peers whose filter matches; the message."""
        message = self.worded(title, **facts)
        self._do(lambda peer: self._announce(peer, message))
        return message

    async def _announce(self, peer: Peer, message: dict[str, Any]) -> None:
        exchanges, exchange = peer.memory.get("cex"), message["publisher"]
        if (exchanges and exchange not in exchanges) or (self.allowed is not None and exchange not in self.allowed):
            return
        self.announced += 1
        for spoilt in self.spoil(message):
            await self._send(peer, spoilt)

    def _invented(self, number: int) -> dict[str, Any]:
        ticker = _INVENTED[number % len(_INVENTED)]
        exchange, kind = EXCHANGES[number % len(EXCHANGES)], TYPES[number % len(TYPES)]
        return self.worded(f"{exchange.title()}: {kind.replace('_', ' ')} of {ticker}", ticker, exchange, kind)

    # --- messages received --------------------------------------------------------------------------------------------
    async def received(self, peer: Peer, message: str | bytes) -> None:
        """Count the message; the newer generation answers `{"type": "test"}`."""
        if len(message.encode() if isinstance(message, str) else message) > 1024:
            await peer.close(1009, "frame_too_large")
            return
        times, now = peer.memory["heard"], self.clock.now()
        times.append(now)
        if sum(1 for at in times if at > now - _MINUTE_MS) > self.messages_a_minute:
            await peer.close(1008, "rate_limit_exceeded")
        elif self.generation > 1 and b'"test"' in (message.encode() if isinstance(message, str) else message):
            await self._test(peer, now)

    async def _test(self, peer: Peer, now: int) -> None:
        last = peer.memory.get("tested")
        if last is not None and now - last < _MINUTE_MS:
            wait = (_MINUTE_MS - now + last + 999) // 1000
            await self._send(peer, {"type": "error", "code": "test_rate_limited", "retryAfterSecs": wait})
            return
        peer.memory["tested"] = now
        message = self.worded("Binance Will Delist DUMMYTOKEN", "DUMMYTOKEN", "binance", "spot_delisting")
        await self._send(peer, message | {"type": "test_announcement"})

    async def _send(self, peer: Peer, message: Any) -> None:
        await peer.send(message if isinstance(message, str | bytes) else encoded(message).encode())

    # --- closes -------------------------------------------------------------------------------------------------------
    def expire(self) -> None:
        """Close connections because the key has expired."""
        self.close(1000, "key_expired")

    def revoke(self) -> None:
        """Invalidate the key, and close connections."""
        self.key = "dsk_another"
        self.close(1000, "key_revoked" if self.generation == 1 else "key_invalidated")

    def fall_behind(self) -> None:
        """Close connections as if the clients were more than ten messages behind."""
        self.close(1008, "too_slow")


standin = Cryptolisting
