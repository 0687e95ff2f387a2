"""The stream of CoinMarketCap's stand-in: its envelope and errors, prices of the simulated market, and invented
on-chain events, equal for equal seed, address and second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from providers.datasets import ONCHAIN_CHANNELS
from providers.sandbox.coins import DAY_MS
from providers.sandbox.noise import fraction, key
from providers.sandbox.rows import iso
from standins.base import Peer

if TYPE_CHECKING:
    from standins.coinmarketcap import Coinmarketcap

PRICES = "market@crypto_latest_price"
MESSAGES = {
    1001: "This API Key is invalid.",
    1010: "Monthly credit limit exceeded.",
    2201: "Invalid request format.",
    2202: "Unknown method.",
    2203: "Message length is not right.",
    2204: "Missing required field.",
    2301: "Channel does not exist.",
    2303: "Subscription limit reached.",
    2401: "Missing required param for channel.",
    2402: "Invalid param for channel.",
    5001: "Internal server error.",
}
#: The documented intervals, in seconds.
INTERVALS = {
    "1s": 1, "5s": 5, "30s": 30, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400,
    "1d": 86400,
}  # fmt: skip
#: The address parameter of channels with another name, and the channels with an interval.
_ADDRESSES = {"pool_metric": "pool_address", "holder_wallet_update": "wallet_address"}
_TIMED = frozenset({"kline", "unique_trader"})
_CATEGORIES = {1: "AUTH", 2: "PROTOCOL", 5: "SERVER"}
_LONGEST = 16_384
_SPANS = {"p24h": 1, "p7d": 7, "p30d": 30, "p60d": 60, "p3m": 90, "p1y": 365}

#: Channel, platform, interval, and address in lower case or a coin's id.
Subscription = tuple[str, int, str, str]


class RequestError(Exception):
    """An invalid request."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


class Channels:
    """The protocol of the stand-in. `connections`, `subscriptions` and `ping_ms` are its limits; it disconnects a peer
    without subscriptions that is silent for `idle_ms`."""

    def __init__(self, standin: Coinmarketcap) -> None:
        self._standin = standin
        self.connections, self.subscriptions, self.ping_ms, self.idle_ms = 10, 100, 10_000, 60_000

    async def opened(self, peer: Peer) -> None:
        """Send the welcome, or close with the code of the error."""
        standin = self._standin
        key = peer.request.headers.get("x-cmc_pro_api_key", "")
        if not key or standin.key not in ("", key) or standin.code in (1001, 1002):
            await peer.close(4100, "API key invalid")
        elif standin.code == 1007:
            await peer.close(4101, "API key disabled")
        elif not standin.streams or standin.code == 1006:
            await peer.close(4102, "Plan not support WS")
        elif len(standin.peers) > self.connections:
            await peer.close(4004, "Connection limit")
        else:
            peer.memory |= {"held": {}, "heard": standin.clock.now()}
            await peer.send({"type": "welcome", "ping_interval_ms": self.ping_ms, "ts": standin.now()})

    async def received(self, peer: Peer, message: str | bytes) -> None:
        """Answer one request."""
        if "held" not in peer.memory:
            return
        peer.memory["heard"] = self._standin.clock.now()
        number: Any = None
        try:
            request = _request(message)
            number = request.get("id")
            await peer.send(self._answer(peer, request))
        except RequestError as error:
            await peer.send(self._error(number, error))

    async def pulse(self, peer: Peer) -> None:
        """Push data for every subscription, while the month's credits last."""
        held = peer.memory.get("held")
        if held is None:
            return
        if not held and self._standin.clock.now() - peer.memory["heard"] > self.idle_ms:
            await peer.close(1001, "Write idle timeout")
            return
        for (channel, platform, interval, member), params in list(held.items()):
            if self._standin.spent:
                await peer.send(self._error(None, RequestError(1010)))
                return
            data = self._price(int(member)) if channel == PRICES else self._event(channel, platform, interval, params)
            self._standin.millicredits += 25
            push = {"type": "data", "channel": channel, "params": params, "data": data, "ts": self._standin.now()}
            await peer.data(push)

    # --- requests -----------------------------------------------------------------------------------------------------
    def _answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        number, method = request.get("id"), request.get("method")
        if method is None:
            raise RequestError(2204, "Field 'method' is required.")
        if method == "ping":
            return {"type": "pong", "id": number, "code": 0, "ts": self._standin.now()}
        if method not in ("subscribe", "unsubscribe", "unsubscribe_all"):
            raise RequestError(2202, f"Method '{method}' is not supported.")
        if method == "subscribe" and self._standin.spent:
            raise RequestError(1010)
        held: dict[Subscription, dict[str, Any]] = peer.memory["held"]
        more = self._subscribe(held, request) if method == "subscribe" else self._unsubscribe(held, request, method)
        counts = {"sub_count": len(held), "sub_limit": self.subscriptions}
        return {"type": "ack", "id": number, "code": 0, "msg": "ok", **more, **counts}

    def _subscribe(self, held: dict[Subscription, dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        channel, wanted = self._wanted(request)
        new = {subscription: params for subscription, params in wanted.items() if subscription not in held}
        if len(held) + len(new) > self.subscriptions:
            raise RequestError(2303, f"current={len(held)}, max={self.subscriptions}")
        held |= new
        return {"channel": channel} | ({} if new else {"duplicate": True})

    def _unsubscribe(
        self, held: dict[Subscription, dict[str, Any]], request: dict[str, Any], method: str
    ) -> dict[str, Any]:
        if method == "unsubscribe_all":
            held.clear()
            return {}
        if request.get("params") is None:
            channel = self._channel(request)
            ended = [subscription for subscription in held if subscription[0] == channel]
        else:
            channel, wanted = self._wanted(request)
            ended = [subscription for subscription in wanted if subscription in held]
        for subscription in ended:
            del held[subscription]
        return {"channel": channel}

    def _channel(self, request: dict[str, Any]) -> str:
        channel = request.get("channel")
        if channel is None:
            raise RequestError(2204, "Field 'channel' is required.")
        if channel != PRICES and channel not in {f"onchain@{name}" for name in ONCHAIN_CHANNELS}:
            raise RequestError(2301, f"Channel '{channel}' does not exist.")
        return str(channel)

    def _wanted(self, request: dict[str, Any]) -> tuple[str, dict[Subscription, dict[str, Any]]]:
        channel, params = self._channel(request), request.get("params") or {}
        if not isinstance(params, dict):
            raise RequestError(2201, "Field 'params' must be an object.")
        if channel == PRICES:
            ids = _several(params, "crypto_ids", channel)
            if unknown := [coin for coin in ids if not isinstance(coin, int) or self._standin.coin_of(coin) is None]:
                raise RequestError(2402, f"Param 'crypto_ids' has unknown ids: {unknown[:5]}")
            return channel, {(channel, 0, "", str(coin)): {"crypto_ids": coin} for coin in ids}
        return channel, self._addresses(channel, params)

    def _addresses(self, channel: str, params: dict[str, Any]) -> dict[Subscription, dict[str, Any]]:
        name = _ADDRESSES.get(channel.removeprefix("onchain@"), "address")
        platform = params.get("platform_id")
        if platform is None:
            raise RequestError(2401, f"Param 'platform_id' is required for channel '{channel}'.")
        if not isinstance(platform, int):
            raise RequestError(2402, "Param 'platform_id' must be a number.")
        echo: dict[str, Any] = {"platform_id": platform}
        if channel.removeprefix("onchain@") in _TIMED:
            if "interval" not in params:
                raise RequestError(2401, f"Param 'interval' is required for channel '{channel}'.")
            if params["interval"] not in INTERVALS:
                raise RequestError(2402, f"Param 'interval' must be one of {sorted(INTERVALS)}.")
            echo["interval"] = params["interval"]
        addresses = _several(params, name, channel)
        if not all(isinstance(address, str) and 8 <= len(address) <= 100 for address in addresses):
            raise RequestError(2402, f"Param '{name}' has invalid addresses.")
        interval = str(echo.get("interval", ""))
        return {(channel, platform, interval, address.lower()): echo | {name: address} for address in addresses}

    def _error(self, number: Any, error: RequestError) -> dict[str, Any]:
        status = {
            "timestamp": iso(self._standin.now()),
            "error_code": str(error.code),
            "category": _CATEGORIES[error.code // 1000],
            "error_message": MESSAGES[error.code],
        }
        detail = {"error_detail": error.detail} if error.detail else {}
        return {"type": "error", **({} if number is None else {"id": number}), "status": status | detail}

    # --- data ---------------------------------------------------------------------------------------------------------
    def _price(self, number: int) -> dict[str, Any]:
        standin = self._standin
        coin = standin.coin_of(number) or ""
        row, at = standin.market.index[coin], standin.clock.now()
        supply = standin.market.coins[row].circulating
        times = [at, *(at - days * DAY_MS for days in _SPANS.values())]
        prices = standin.market.prices(times, np.array([row]))[0]
        price = standin.price(coin)
        since = int(standin.market.listed_since(at)[row])
        changes = {
            name: round(float((prices[0] / then - 1) * 100), 6) if since <= at - days * DAY_MS else None
            for (name, days), then in zip(_SPANS.items(), prices[1:], strict=True)
        }
        cap = None if supply is None else price * supply
        whole = {"cid": number, "p": price, "vu": standin.volume(coin), "mc": cap, "cs": supply}
        return {**whole, **changes, "pytd": changes["p1y"], "pall": None, "fdv24h": changes["p24h"]}

    def _event(self, channel: str, platform: int, interval: str, params: dict[str, Any]) -> dict[str, Any]:
        name = channel.removeprefix("onchain@")
        address = str(params[_ADDRESSES.get(name, "address")])
        return _made_up(name, platform, interval, address, self._standin.now(), self._standin.market.seed)


def _request(message: str | bytes) -> dict[str, Any]:
    if len(message) > _LONGEST:
        raise RequestError(2203)
    try:
        request = json.loads(message)
    except ValueError:
        raise RequestError(2201, "The message is not JSON.") from None
    if not isinstance(request, dict):
        raise RequestError(2201, "The message must be an object.")
    return request


def _several(params: dict[str, Any], name: str, channel: str) -> list[Any]:
    value = params.get(name)
    if value is None:
        raise RequestError(2401, f"Param '{name}' is required for channel '{channel}'.")
    members = value if isinstance(value, list) else [value]
    if not members:
        raise RequestError(2402, f"Param '{name}' must not be empty.")
    return members


def _made_up(name: str, platform: int, interval: str, address: str, now: int, seed: int) -> dict[str, Any]:
    """The payload of an on-chain channel."""
    second, length = now // 1000, INTERVALS.get(interval, 1)
    opened = second // length * length * 1000
    luck = fraction(seed, name, address, second)
    price = 0.001 * 10 ** (5 * fraction(seed, address, "price")) * (0.98 + 0.04 * fraction(seed, address, second))
    usd, transaction = round(10_000 * luck**3, 6), f"0x{key(seed, address, second):016x}{key(second, address):048x}"
    token = {"pid": platform, "a": address}
    pair = {"t0s": "TKN", "t1s": "USDC", "t0a": address, "t1a": f"0x{key('usdc'):040x}", "tx": transaction}
    counts = {"bvn": usd / price, "bvu": usd, "svn": usd / price / 2, "svu": usd / 2, "ut": 11, "but": 4, "sut": 9}
    payloads: dict[str, dict[str, Any]] = {
        "token_agg_event": token | {"ap": price, "p": price * 0.9999, "lu": 1e6 * luck, "ts": second * 1000},
        "kline": {"o": price, "h": price * 1.01, "l": price * 0.99, "c": price * 1.001, "vu": usd, "ot": opened},
        "unique_trader": {"ut": int(100 * luck), "ot": opened},
        "transaction": pair | {
            "pid": platform, "tp": "buy" if luck > 0.5 else "sell", "vu": usd, "q": usd / price, "t0pu": price,
            "t1pu": 1.0, "a0": usd / price, "a1": usd, "qi": 1, "tii": 0, "lgid": int(200 * luck), "ex": False,
            "txtp": 0, "ts": second * 1000,
        },
        "liquidity_event": pair | {
            "pid": platform, "tp": "add" if luck > 0.5 else "remove", "a0": usd / price, "a1": usd, "vu": 2 * usd,
            "lgid": int(200 * luck), "ts": second * 1000,
        },
        "token_metric": token | {"p": price, "mc": None, "lu": None, "sts": [{"win": "1h", "pc": luck, **counts}]},
        "pool_metric": {"pid": platform, "pa": address} | dict.fromkeys(("5m", "1h", "4h", "24h"), counts),
        "holders_metrics": token | {"tp": "holder_count", "ts": second * 1000, "hc": 1000 + int(100 * luck)},
        "holder_wallet_update": {"pid": platform, "wa": address, "tp": "last_active", "lat": second * 1000},
    }  # fmt: skip
    return payloads[name]
