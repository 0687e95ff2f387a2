"""CoinAPI's stand-in: exchange rates, their history and the assets over REST; `exrate` over the stream.

As documented: the key in a header or as `apikey` in the query or the hello, an error body `{"error": "…"}`, status 550
without data, credits by `limit`, the quota of the last 24 hours in X-RateLimit-* headers, misspelt heartbeats, an
`error` before the close. The texts of errors are examples. An asset's id is its symbol; the first of several coins with
one symbol has it.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np

from providers.currencies import PER_USD
from providers.sandbox.coins import DAY_MS
from providers.sandbox.noise import Floats, Ints
from providers.sandbox.reply import Reply
from standins.base import Peer, Request, Standin

_UNITS_MS = {"SEC": 1_000, "MIN": 60_000, "HRS": 3_600_000, "DAY": DAY_MS}
#: Prices per period, from which its rates are taken.
_POINTS = 12
_TYPES = {"trade", "quote", "book", "book5", "book20", "book50", "ohlcv", "volume", "exrate"}


class Coinapi(Standin):
    """`per_day`: credits in 24 hours; `connections_allowed`: concurrent connections (0: no limit)."""

    stream_path: ClassVar[str] = "/v1/"
    ping_seconds: ClassVar[float] = 60.0

    def __init__(self, *, per_day: int = 0, connections_allowed: int = 0, **common: Any) -> None:
        super().__init__(**common)
        self.per_day, self.connections_allowed = per_day, connections_allowed
        self.coins: dict[str, str] = {}  # asset id: coin id
        for coin in self.market.coins:
            if coin.symbol.isascii() and coin.symbol.isalnum():
                self.coins.setdefault(coin.symbol.upper(), coin.id)
        self.fiats = {currency.upper(): currency for currency in PER_USD}
        self._spent: deque[tuple[int, int]] = deque()  # time, credits

    # --- rates --------------------------------------------------------------------------------------------------------
    def rate(self, base: str, quote: str, at: int | None = None) -> float:
        """The price of `base` in `quote`. Raises `KeyError` for unknown assets."""
        return self._dollars(base, at) / self._dollars(quote, at)

    def _dollars(self, asset: str, at: int | None) -> float:
        if asset in self.fiats:
            return 1 / PER_USD[self.fiats[asset]]
        return self.price(self.coins[asset], at=at)

    def _has(self, asset: str) -> bool:
        return asset in self.fiats or asset in self.coins

    # --- REST ---------------------------------------------------------------------------------------------------------
    def refused(self, _status: int, message: str) -> Any:
        """`{"error": "…"}`"""
        return {"error": message}

    def answer(self, request: Request) -> Any:
        """Rates, history and assets; any other path is 404."""
        self._check_key(request.headers.get("x-coinapi-key") or request.params.get("apikey", ""))
        self._check_quota()
        match request.path.removeprefix("/").split("/"):
            case ["v1", "assets"]:
                return self._paid(list(self._assets()))
            case ["v1", "exchangerate", base]:
                return self._paid(self._rates(base, request.params))
            case ["v1", "exchangerate", base, quote]:
                return self._paid(self._single(base, quote))
            case ["v1", "exchangerate", base, quote, "history"]:
                candles = self._history(base, quote, request.params)
                return self._paid(candles, max(1, math.ceil(len(candles) / 100)) if "limit" in request.params else 1)
        raise self.refusal(404, "no such endpoint")

    def _check_key(self, key: str) -> None:
        if not key:
            raise self.refusal(401, "Missing API key")
        if self.key and key != self.key:
            raise self.refusal(401, "Invalid API key")

    def _check_quota(self) -> None:
        now = self.clock.now()
        while self._spent and self._spent[0][0] <= now - DAY_MS:
            self._spent.popleft()
        if self.per_day and self.used >= self.per_day:
            wait = math.ceil((self._spent[0][0] + DAY_MS - now) / 1000)
            headers = self._quota(0) | {"Retry_After": str(wait)}
            raise self.refusal(429, "Too many requests -- You have exceeded your API key rate limits", **headers)

    @property
    def used(self) -> int:
        """Credits spent within the last 24 hours."""
        return sum(cost for _, cost in self._spent)

    def _quota(self, cost: int) -> dict[str, str]:
        limit = self.per_day or 100_000
        figures = {"Limit": limit, "Used": self.used, "Remaining": max(0, limit - self.used), "Request-Cost": cost}
        return {f"X-RateLimit-{name}": str(value) for name, value in figures.items()}

    def _paid(self, body: Any, cost: int = 1) -> Reply:
        self._spent.append((self.clock.now(), cost))
        return Reply.of(body, headers=self._quota(cost))

    def _assets(self) -> Iterator[dict[str, Any]]:
        for asset in self.fiats:
            yield {"asset_id": asset, "name": asset, "type_is_crypto": 0, "price_usd": self._dollars(asset, None)}
        prices = dict(zip(self.market.index, self.market.prices([self.clock.now()])[:, 0].tolist(), strict=True))
        for asset, coin in self.coins.items():
            name = self.market.coins[self.market.index[coin]].name
            yield {
                "asset_id": asset,
                "name": name,
                "type_is_crypto": 1,
                "price_usd": prices[coin],
                "chain_addresses": [],
            }

    def _rates(self, base: str, params: dict[str, str]) -> dict[str, Any]:
        if not self._has(base):
            raise self._no_data()
        wanted = [asset for asset in params.get("filter_asset_id", "").replace(";", ",").split(",") if asset]
        assets = [asset for asset in wanted or [*self.fiats, *self.coins] if self._has(asset) and asset != base]
        inverted = params.get("invert", "").lower() == "true"
        rates = [
            {
                "time": instant(self.now()),
                "asset_id_quote": asset,
                "rate": self.rate(asset, base) if inverted else self.rate(base, asset),
            }
            for asset in assets
        ]
        return {"asset_id_base": base, "rates": rates}

    def _single(self, base: str, quote: str) -> dict[str, Any]:
        if not (self._has(base) and self._has(quote)):
            raise self._no_data()
        return {
            "time": instant(self.now()),
            "asset_id_base": base,
            "asset_id_quote": quote,
            "rate": self.rate(base, quote),
        }

    def _no_data(self) -> Exception:
        return self.refusal(550, "You requested specific single item that we don't have at this moment.")

    def _history(self, base: str, quote: str, params: dict[str, str]) -> list[dict[str, Any]]:
        if not (self._has(base) and self._has(quote)):
            raise self._no_data()
        try:
            period = int(params["period_id"][:-3]) * _UNITS_MS[params["period_id"][-3:]]
            start, end = (_millis(params[name]) for name in ("time_start", "time_end"))
            limit = int(params.get("limit", "100"))
        except (KeyError, ValueError) as error:
            raise self.refusal(400, f"Wrong or missing parameter: {error}") from error
        if not 1 <= limit <= 100_000:
            raise self.refusal(400, "limit is 1 to 100000")
        first = -(-start // period) * period
        ends = min(end, self.clock.now())
        return self._candles(base, quote, range(first, ends, period)[:limit], period)

    def _candles(self, base: str, quote: str, openings: range, period: int) -> list[dict[str, Any]]:
        if not openings:
            return []
        opens = np.array(openings)[:, None]
        closes = np.minimum(opens + period, self.clock.now())
        times = opens + (closes - opens) * np.arange(_POINTS + 1) // _POINTS
        rates = self._all_dollars(base, times) / self._all_dollars(quote, times)
        return [
            {
                "time_period_start": instant(start),
                "time_period_end": instant(start + period),
                "time_open": instant(start),
                "time_close": instant(int(close)),
                "rate_open": float(inside[0]),
                "rate_high": float(inside.max()),
                "rate_low": float(inside.min()),
                "rate_close": float(inside[-1]),
            }
            for start, (close,), inside in zip(openings, closes, rates, strict=True)
        ]

    def _all_dollars(self, asset: str, times: Ints) -> Floats:
        """The price in dollars at each of the times, in their shape."""
        if asset in self.fiats:
            return np.full(times.shape, 1 / PER_USD[self.fiats[asset]])
        coin = self.coins[asset]
        row = np.array([self.market.index[coin]])
        return self.market.prices(times.ravel(), row).reshape(times.shape) * self.lies.get(coin, 1.0)

    # --- stream -------------------------------------------------------------------------------------------------------
    def admit(self, request: Request) -> None:
        """Check the key of the handshake; without one, that of the hello counts."""
        if key := request.headers.get("x-coinapi-key") or request.params.get("apikey"):
            self._check_key(key)

    async def received(self, peer: Peer, message: str | bytes) -> None:
        """hello, subscribe, unsubscribe; anything else ends the connection."""
        try:
            request = json.loads(message)
            kind, pairs = request["type"], [_pair(text) for text in request.get("subscribe_filter_asset_id") or []]
        except (ValueError, KeyError, TypeError, AttributeError):
            await self._fail(peer, "Malformed message")
            return
        if problem := self._problem(peer, request):
            await self._fail(peer, problem)
            return
        scope = peer.memory.setdefault("scope", {})
        if kind == "unsubscribe":
            for pair in pairs:
                scope.pop(pair, None)
            return
        if kind == "hello":
            scope.clear()
            peer.memory["heartbeat"] = request.get("heartbeat") is True
        peer.memory["limit_ms"] = request.get("subscribe_update_limit_ms_exrate") or 0
        scope.update(dict.fromkeys(pairs, 0) if "exrate" in request.get("subscribe_data_type", []) else {})

    def _problem(self, peer: Peer, request: dict[str, Any]) -> str:
        kind, types = request["type"], request.get("subscribe_data_type")
        if kind not in ("hello", "subscribe", "unsubscribe"):
            return f"Unknown message type {kind}"
        if kind != "hello" and "scope" not in peer.memory:
            return "Hello message expected"
        if not isinstance(types, list) or not types or not _TYPES.issuperset(types):
            return "subscribe_data_type is required"
        key = request.get("apikey") or peer.request.headers.get("x-coinapi-key") or peer.request.params.get("apikey")
        if not key or (self.key and key != self.key):
            return "Invalid API key"
        if self.connections_allowed and len(self.peers) > self.connections_allowed:
            return "Too many concurrent connections for this subscription"
        return ""

    async def _fail(self, peer: Peer, sentence: str) -> None:
        await peer.send({"type": "error", "message": sentence})
        await peer.close(1000)

    async def pulse(self, peer: Peer) -> None:
        """The rates that are due, or without one a heartbeat, if enabled."""
        now, pushed = self.clock.now(), False
        for pair, last in list(peer.memory.get("scope", {}).items()):
            base, quote = pair
            if not (self._has(base) and self._has(quote)) or now - last < peer.memory["limit_ms"]:
                continue
            peer.memory["scope"][pair] = now
            await peer.data(self._exrate(base, quote))
            pushed = True
        if not pushed and peer.memory.get("heartbeat"):
            await peer.send({"type": "hearbeat"})

    def _exrate(self, base: str, quote: str) -> dict[str, Any]:
        rate = {"time": instant(self.now()), "asset_id_base": base, "asset_id_quote": quote}
        return {**rate, "rate": self.rate(base, quote), "type": "exrate"}

    def announce_reconnect(self, within_seconds: int) -> None:
        """Announce a reconnect to all peers; call `close` for the close itself."""
        before = instant(self.now() + within_seconds * 1000)
        self.say({"type": "reconnect", "within_seconds": within_seconds, "before_time": before})


def instant(ms: int) -> str:
    """A time in its format: seven digits after the point."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}0000Z"


def _millis(iso: str) -> int:
    moment = datetime.fromisoformat(iso)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def _pair(text: str) -> tuple[str, str]:
    base, quote = text.split("/")
    return base, quote


standin = Coinapi
