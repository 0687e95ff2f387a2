"""CoinMarketCap's stream (beta): https://coinmarketcap.com/api/documentation/pro-api-websocket/overview.

JSON text frames; ten connections per key with a hundred subscriptions each (a coin or an address is one). Prices are in
US dollars only, about every 5 seconds for the 500 largest coins and every 15 for the others, one coin a message. The
overview still states a price per subscription; the product page and the newer guides state 0.025 credits a message,
which is used here.

Observed and undocumented: pongs without a type, checksum spelling in echoed addresses, `txn` for `tx`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson

from providers.clean import Cleaner, moment, text
from providers.errors import Unavailable
from providers.protocols.coinmarketcap_errors import (
    FATAL,
    NO_ROOM,
    PARAMETERS,
    closed,
    error_of,
    explain,
    refused,
    whole,
)
from providers.stream import Alive, Channel, Dropped, Event, OnchainEvent, Rejected, Stream, Tick

KEY_HEADER = "X-CMC_PRO_API_KEY"
PRICES = "market@crypto_latest_price"
#: Their field: ours. Percentages need no conversion; there is no change of one hour.
_VALUES = {
    "vu": "volume_24h",
    "mc": "market_cap",
    "cs": "circulating_supply",
    "p24h": "price_change_24h",
    "p7d": "price_change_7d",
    "p30d": "price_change_30d",
    "p1y": "price_change_1y",
}
#: The name of the address parameter of a channel, and the channels that need an interval.
_ADDRESSES = {"pool_metric": "pool_address", "holder_wallet_update": "wallet_address"}
_INTERVALS = frozenset({"kline", "unique_trader"})
#: Coins or addresses per request, so that messages stay short.
_BATCH = 50
#: Documented as a hundred; acknowledgements state the limit in force.
_SUBSCRIPTIONS = 100
_PING_MS, _SHORTEST_PING_MS, _LONGEST_PING_MS = 10_000, 1_000, 60_000
#: Subscriptions that failed because of the server are retried after this long.
_RETRY_MS = 30_000
#: The latest valid time in epoch milliseconds, and the deepest nesting that is relayed.
_LATEST_MS, _DEEPEST = 10**14, 8


# --- subscriptions --------------------------------------------------------------------------------------------------
_Key = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class _Subscription:
    """One subscription: a coin's id (`platform` 0), or an address on a platform."""

    channel: str
    member: int | str
    platform: int = 0
    interval: str = ""
    topic: str = ""

    @property
    def key(self) -> _Key:
        """Identifies the subscription. It ignores case, since addresses are echoed in another spelling."""
        return _key(self.channel, self.platform, self.interval, self.member)

    @property
    def group(self) -> tuple[str, int, str]:
        """Subscriptions of one group share a request."""
        return self.channel, self.platform, self.interval


def _key(channel: str, platform: int, interval: str, member: int | str) -> _Key:
    return channel, platform, interval, str(member).lower()


def _subscription(wanted: Channel) -> _Subscription | None:
    """The subscription for a channel of ours. None where this stream has none: other currencies, coins without a
    number, a missing interval or one where the channel has none."""
    if not wanted.onchain:
        coin = whole(wanted.coin)
        return _Subscription(PRICES, coin) if coin and wanted.currency == "usd" else None
    channel, platform, address, *interval = wanted.onchain.split(".")
    if (channel in _INTERVALS) != bool(interval):
        return None
    return _Subscription(f"onchain@{channel}", address, int(platform), "".join(interval), wanted.onchain)


def _params(subscriptions: Sequence[_Subscription]) -> dict[str, Any]:
    first, members = subscriptions[0], [subscription.member for subscription in subscriptions]
    if not first.platform:
        return {"crypto_ids": members}
    params = {"platform_id": first.platform, _address_name(first.channel): members}
    return params | ({"interval": first.interval} if first.interval else {})


def _address_name(channel: str) -> str:
    return _ADDRESSES.get(channel.removeprefix("onchain@"), "address")


def _batches(subscriptions: Iterable[_Subscription]) -> list[list[_Subscription]]:
    groups: dict[tuple[str, int, str], list[_Subscription]] = {}
    for subscription in subscriptions:
        groups.setdefault(subscription.group, []).append(subscription)
    return [group[at : at + _BATCH] for group in groups.values() for at in range(0, len(group), _BATCH)]


# --- a connection ---------------------------------------------------------------------------------------------------
class Session:
    """One connection: `providers.stream.Session`. Pushes are identified by channel and parameters, since they have no
    request id."""

    def __init__(self, _key: str = "") -> None:
        self._ids = count(1)
        self._wanted: dict[_Key, _Subscription] = {}
        self._requested: dict[_Key, _Subscription] = {}  # without those that were rejected
        self._rejected: set[_Key] = set()
        self._unanswered: dict[int, list[_Subscription]] = {}  # by the id of the request
        self._outbox: list[str] = []
        self._limit = _SUBSCRIPTIONS
        self._ping_ms = _PING_MS
        self._pinged_at: int | None = None
        self._retried_at = 0
        self._handlers: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "welcome": self._welcome,
            "ack": self._acknowledgement,
            "error": self._error,
            "pong": lambda payload: [Alive(_moment(payload.get("ts")))],
        }

    def opened(self) -> list[str]:
        """Nothing: the handshake carried the key, and requests need not wait for the welcome."""
        return []

    def subscribe(self, channels: Sequence[Channel]) -> list[str]:
        """Subscribe and unsubscribe by difference; where the limit does not allow all, the first channels go first."""
        self._wanted = {
            subscription.key: subscription for channel in channels if (subscription := _subscription(channel))
        }
        return self._difference()

    def pending(self) -> list[str]:
        requests, self._outbox = self._outbox, []
        return requests

    def beat(self, now_ms: int) -> list[str]:
        if self._pinged_at is None:
            self._pinged_at = self._retried_at = now_ms
        requests = []
        if now_ms - self._retried_at >= _RETRY_MS:
            self._retried_at = now_ms
            requests = self._difference()
        if now_ms - self._pinged_at >= self._ping_ms:
            self._pinged_at = now_ms
            requests.append(_encoded({"id": next(self._ids), "method": "ping"}))
        return requests

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        try:
            payload = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        if not isinstance(payload, dict):
            return [Dropped("a message is not an object")]
        kind = payload.get("type")
        if kind == "data":
            return [self._push(payload, now_ms)]
        if kind is None and "code" in payload:
            kind = "pong"
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        return handler(payload) if handler else [Dropped("a message of unknown type")]

    # --- requests and responses ---------------------------------------------------------------------------------------
    def _difference(self) -> list[str]:
        allowed = [(key, subscription) for key, subscription in self._wanted.items() if key not in self._rejected]
        wanted = dict(allowed[: self._limit])
        ended = [subscription for key, subscription in self._requested.items() if key not in wanted]
        added = [subscription for key, subscription in wanted.items() if key not in self._requested]
        self._requested = wanted
        return [
            *(self._request("unsubscribe", subscriptions) for subscriptions in _batches(ended)),
            *(self._request("subscribe", subscriptions) for subscriptions in _batches(added)),
        ]

    def _request(self, method: str, subscriptions: list[_Subscription]) -> str:
        number = next(self._ids)
        if method == "subscribe":
            self._unanswered[number] = subscriptions
        return _encoded(
            {"id": number, "method": method, "channel": subscriptions[0].channel, "params": _params(subscriptions)}
        )

    def _welcome(self, payload: dict[str, Any]) -> list[Event]:
        if interval := whole(payload.get("ping_interval_ms")):
            self._ping_ms = min(max(interval, _SHORTEST_PING_MS), _LONGEST_PING_MS)
        return [Alive(_moment(payload.get("ts")))]

    def _acknowledgement(self, payload: dict[str, Any]) -> list[Event]:
        if code := whole(payload.get("code")):
            return self._rejection(payload, code, text(payload.get("msg")))
        self._unanswered.pop(whole(payload.get("id")) or 0, None)
        self._limit = whole(payload.get("sub_limit")) or self._limit
        return [Alive(_moment(payload.get("ts")))]

    def _error(self, payload: dict[str, Any]) -> list[Event]:
        code, sentence = explain(payload)
        return self._rejection(payload, code, sentence) if code else [Dropped("an error without a code")]

    def _rejection(self, payload: dict[str, Any], code: int, sentence: str) -> list[Event]:
        """A rejected subscription is not retried, with three exceptions: alone, when another of its request may be the
        cause; when the limit allows more; and after a while, when the server failed."""
        error = error_of(code, sentence)
        request = self._unanswered.pop(whole(payload.get("id")) or 0, [])
        subscriptions = [subscription for subscription in request if subscription.key in self._requested]
        if code in PARAMETERS and len(subscriptions) > 1:
            self._outbox += [self._request("subscribe", [subscription]) for subscription in subscriptions]
            return [Rejected(error, fatal=False)]
        for subscription in subscriptions:
            del self._requested[subscription.key]
        if code == NO_ROOM:
            self._limit = max(1, len(self._requested))
        elif not isinstance(error, Unavailable):
            self._rejected.update(subscription.key for subscription in subscriptions)
        return [Rejected(error, fatal=code in FATAL)]

    # --- data ---------------------------------------------------------------------------------------------------------
    def _push(self, payload: dict[str, Any], now_ms: int) -> Event:
        channel, data, params = payload.get("channel"), payload.get("data"), payload.get("params")
        if not isinstance(channel, str) or not isinstance(data, dict):
            return Dropped("a push without channel or data")
        params, at = params if isinstance(params, dict) else {}, moment(payload.get("ts"), now_ms)
        if channel == PRICES:
            return self._tick(data, params, at)
        return self._event(channel, data, params, at or now_ms, _moment(payload.get("ts")))

    def _tick(self, data: dict[str, Any], params: dict[str, Any], at: int | None) -> Event:
        coin, cleaner = whole(data.get("cid")), Cleaner()
        price = cleaner.number(data.get("p"))
        if not coin or not price:
            return Dropped("a price without coin or price")
        if whole(_only(params.get("crypto_ids", coin))) != coin:
            return Dropped("a price whose coin differs from its parameters")
        if _key(PRICES, 0, "", coin) not in self._requested:
            return Alive(at)  # sent before the server processed the unsubscribe
        values = {"price": price}
        for theirs, ours in _VALUES.items():
            number = cleaner.number(data.get(theirs), signed=ours.startswith("price_change"))
            if number is not None:
                values[ours] = number
        return Tick(str(coin), "usd", values, at)

    def _event(self, channel: str, data: dict[str, Any], params: dict[str, Any], at: int, stamp: int | None) -> Event:
        """`at` is a plausible time to show; `stamp` is the time of the push, which identifies events even if wrong."""
        member, interval = _only(params.get(_address_name(channel))), params.get("interval", "")
        platform = whole(params.get("platform_id"))
        if not (isinstance(member, str) and isinstance(interval, str) and platform):
            return Dropped("an event without platform or address")
        subscription = self._requested.get(_key(channel, platform, interval, member))
        if subscription is None:
            return Alive(at)
        relayed = _relayed(data, Cleaner(), 0)
        identity = _identity(channel, relayed, _moment(relayed.get("ts")) or stamp or at)
        at = moment(relayed.get("ts"), at) or at
        return OnchainEvent(subscription.topic, {"id": identity, "at": at, "data": relayed})


def _only(value: Any) -> Any:
    """The value, or the only item of a list: pushes name their coin or address either way."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _moment(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LATEST_MS else None


def _identity(channel: str, data: dict[str, Any], stamp: int) -> str:
    """An id that is equal for repetitions of an event. Swaps and liquidity events arrive once for each token of the
    pair, and are identified by transaction and log index (on Solana: instruction index); others by channel, content
    and time."""
    transaction = data.get("tx") or data.get("txn")
    index = next((f"{name}{data[name]}" for name in ("lgid", "iix") if whole(data.get(name)) is not None), "")
    if isinstance(transaction, str) and transaction and index:
        return f"{transaction}:{index}"
    content = orjson.dumps([channel, stamp, data], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:32]


def _relayed(value: Any, cleaner: Cleaner, depth: int) -> Any:
    """A payload that is safe to pass on: finite numbers, printable texts, bounded depth and length."""
    if isinstance(value, dict):
        items = list(value.items())[:100] if depth < _DEEPEST else []
        return {text(name): _relayed(part, cleaner, depth + 1) for name, part in items}
    if isinstance(value, list):
        return [_relayed(part, cleaner, depth + 1) for part in value[:100]] if depth < _DEEPEST else []
    if isinstance(value, str):
        return text(value)
    return value if value is None or isinstance(value, bool) else cleaner.number(value, signed=True)


def _encoded(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()


STREAM = Stream(
    session=Session,
    headers=lambda key: {KEY_HEADER: key},
    refused=refused,
    closed=closed,
    # A pong answers each ping, every ten seconds, with or without subscriptions.
    silence_seconds=35.0,
    stale_seconds=60.0,
    millicredits=25,
    brings=frozenset({"ticks", "onchain"}),
)
