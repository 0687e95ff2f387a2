"""CoinMarketCap's stream (beta): https://coinmarketcap.com/api/documentation/pro-api-websocket/overview.

JSON text frames, ten connections a key, a hundred subscriptions each (a coin or an address is one). Prices come in US
dollars only, about every 5 seconds for the 500 largest coins and every 15 for the others, one coin a message. The
overview still names a price per subscription; the product page and the newer guides say 0.025 credits a message, which
is what is charged here.

What was seen and is not documented: pongs without a type, checksum spelling in echoed addresses, `txn` for `tx`.
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
from providers.stream import Alive, Dropped, Event, Happened, Refused, Stream, Tick, Topic

KEY_HEADER = "X-CMC_PRO_API_KEY"
PRICES = "market@crypto_latest_price"
#: Their field: ours. Percentages are percentages on both sides; there is no change of an hour.
_VALUES = {
    "vu": "volume_24h",
    "mc": "market_cap",
    "cs": "circulating_supply",
    "p24h": "price_change_24h",
    "p7d": "price_change_7d",
    "p30d": "price_change_30d",
    "p1y": "price_change_1y",
}
#: What the address is called in the parameters of a channel, and the channels that want an interval besides.
_ADDRESSES = {"pool_metric": "pool_address", "holder_wallet_update": "wallet_address"}
_INTERVALS = frozenset({"kline", "unique_trader"})
#: How many coins or addresses go into one request, so that no message grows too long.
_BATCH = 50
#: Documented as a hundred; the acknowledgements say what holds.
_SUBSCRIPTIONS = 100
_PING_MS, _SHORTEST_PING_MS, _LONGEST_PING_MS = 10_000, 1_000, 60_000
#: What was refused for the server's own reasons is asked for again after so long.
_AGAIN_MS = 30_000
#: The last moment that can be a time in epoch milliseconds, and the deepest nesting that is relayed.
_LATEST_MS, _DEEPEST = 10**14, 8


# --- what can be followed -------------------------------------------------------------------------------------------
_Key = tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class _Line:
    """One subscription: a coin's id (`platform` 0), or an address on a platform."""

    channel: str
    member: int | str
    platform: int = 0
    interval: str = ""
    topic: str = ""

    @property
    def key(self) -> _Key:
        """What it is known by. Addresses come back in another spelling."""
        return _key(self.channel, self.platform, self.interval, self.member)

    @property
    def group(self) -> tuple[str, int, str]:
        """Lines of a group go into one request."""
        return self.channel, self.platform, self.interval


def _key(channel: str, platform: int, interval: str, member: int | str) -> _Key:
    return channel, platform, interval, str(member).lower()


def _line(topic: Topic) -> _Line | None:
    """The subscription for a topic; None for what this stream has not: other currencies, coins without a number, and
    intervals where there are none or none where they are needed."""
    if not topic.onchain:
        coin = whole(topic.coin)
        return _Line(PRICES, coin) if coin and topic.currency == "usd" else None
    channel, platform, address, *interval = topic.onchain.split(".")
    if (channel in _INTERVALS) != bool(interval):
        return None
    return _Line(f"onchain@{channel}", address, int(platform), "".join(interval), topic.onchain)


def _params(lines: Sequence[_Line]) -> dict[str, Any]:
    first, members = lines[0], [line.member for line in lines]
    if not first.platform:
        return {"crypto_ids": members}
    params = {"platform_id": first.platform, _address_name(first.channel): members}
    return params | ({"interval": first.interval} if first.interval else {})


def _address_name(channel: str) -> str:
    return _ADDRESSES.get(channel.removeprefix("onchain@"), "address")


def _batches(lines: Iterable[_Line]) -> list[list[_Line]]:
    groups: dict[tuple[str, int, str], list[_Line]] = {}
    for line in lines:
        groups.setdefault(line.group, []).append(line)
    return [group[at : at + _BATCH] for group in groups.values() for at in range(0, len(group), _BATCH)]


# --- a connection ---------------------------------------------------------------------------------------------------
class Session:
    """One connection: `providers.stream.Session`. Pushes are told apart by channel and parameters, never by ids."""

    def __init__(self, _key: str = "") -> None:
        self._ids = count(1)
        self._wanted: dict[_Key, _Line] = {}
        self._held: dict[_Key, _Line] = {}  # asked for; what is refused leaves again
        self._refused: set[_Key] = set()
        self._asked: dict[int, list[_Line]] = {}  # subscriptions without an answer so far
        self._outbox: list[str] = []
        self._limit = _SUBSCRIPTIONS
        self._ping_ms = _PING_MS
        self._pinged_at: int | None = None
        self._looked_at = 0
        self._answers: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "welcome": self._welcomed,
            "ack": self._acknowledged,
            "error": self._failed,
            "pong": lambda payload: [Alive(_moment(payload.get("ts")))],
        }

    def opened(self) -> list[str]:
        """The key went with the handshake, and the welcome need not be waited for: nothing."""
        return []

    def follow(self, topics: Sequence[Topic]) -> list[str]:
        """Subscriptions and their ends by difference, the first topics first when there is no room for all."""
        self._wanted = {line.key: line for topic in topics if (line := _line(topic))}
        return self._difference()

    def pending(self) -> list[str]:
        made, self._outbox = self._outbox, []
        return made

    def beat(self, now_ms: int) -> list[str]:
        if self._pinged_at is None:
            self._pinged_at = self._looked_at = now_ms
        made = []
        if now_ms - self._looked_at >= _AGAIN_MS:
            self._looked_at = now_ms
            made = self._difference()
        if now_ms - self._pinged_at >= self._ping_ms:
            self._pinged_at = now_ms
            made.append(_encoded({"id": next(self._ids), "method": "ping"}))
        return made

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        try:
            payload = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        if not isinstance(payload, dict):
            return [Dropped("a message is no object")]
        kind = payload.get("type")
        if kind == "data":
            return [self._pushed(payload, now_ms)]
        if kind is None and "code" in payload:
            kind = "pong"
        answer = self._answers.get(kind) if isinstance(kind, str) else None
        return answer(payload) if answer else [Dropped("a message of a type that is not known")]

    # --- requests and their answers -----------------------------------------------------------------------------------
    def _difference(self) -> list[str]:
        open_to_us = [(key, line) for key, line in self._wanted.items() if key not in self._refused]
        wanted = dict(open_to_us[: self._limit])
        leaving = [line for key, line in self._held.items() if key not in wanted]
        joining = [line for key, line in wanted.items() if key not in self._held]
        self._held = wanted
        return [
            *(self._request("unsubscribe", lines) for lines in _batches(leaving)),
            *(self._request("subscribe", lines) for lines in _batches(joining)),
        ]

    def _request(self, method: str, lines: list[_Line]) -> str:
        number = next(self._ids)
        if method == "subscribe":
            self._asked[number] = lines
        return _encoded({"id": number, "method": method, "channel": lines[0].channel, "params": _params(lines)})

    def _welcomed(self, payload: dict[str, Any]) -> list[Event]:
        if stated := whole(payload.get("ping_interval_ms")):
            self._ping_ms = min(max(stated, _SHORTEST_PING_MS), _LONGEST_PING_MS)
        return [Alive(_moment(payload.get("ts")))]

    def _acknowledged(self, payload: dict[str, Any]) -> list[Event]:
        if code := whole(payload.get("code")):
            return self._turned_down(payload, code, text(payload.get("msg")))
        self._asked.pop(whole(payload.get("id")) or 0, None)
        self._limit = whole(payload.get("sub_limit")) or self._limit
        return [Alive(_moment(payload.get("ts")))]

    def _failed(self, payload: dict[str, Any]) -> list[Event]:
        code, sentence = explain(payload)
        return self._turned_down(payload, code, sentence) if code else [Dropped("an error without a code")]

    def _turned_down(self, payload: dict[str, Any], code: int, sentence: str) -> list[Event]:
        """A refused subscription is not asked for again here, with three exceptions: alone, when one of many may have
        been to blame; when there is room; and after a while, when the server was in trouble."""
        error = error_of(code, sentence)
        lines = [line for line in self._asked.pop(whole(payload.get("id")) or 0, []) if line.key in self._held]
        if code in PARAMETERS and len(lines) > 1:
            self._outbox += [self._request("subscribe", [line]) for line in lines]
            return [Refused(error, fatal=False)]
        for line in lines:
            del self._held[line.key]
        if code == NO_ROOM:
            self._limit = max(1, len(self._held))
        elif not isinstance(error, Unavailable):
            self._refused.update(line.key for line in lines)
        return [Refused(error, fatal=code in FATAL)]

    # --- data ---------------------------------------------------------------------------------------------------------
    def _pushed(self, payload: dict[str, Any], now_ms: int) -> Event:
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
            return Dropped("a price of another coin than it says")
        if _key(PRICES, 0, "", coin) not in self._held:
            return Alive(at)  # sent before it knew that nobody wants it any more
        values = {"price": price}
        for theirs, ours in _VALUES.items():
            made = cleaner.number(data.get(theirs), signed=ours.startswith("price_change"))
            if made is not None:
                values[ours] = made
        return Tick(str(coin), "usd", values, at)

    def _event(self, channel: str, data: dict[str, Any], params: dict[str, Any], at: int, stamp: int | None) -> Event:
        """`at` is a time that can be shown, `stamp` the push's own, which tells events apart though it be wrong."""
        member, interval = _only(params.get(_address_name(channel))), params.get("interval", "")
        platform = whole(params.get("platform_id"))
        if not (isinstance(member, str) and isinstance(interval, str) and platform):
            return Dropped("an event without platform or address")
        line = self._held.get(_key(channel, platform, interval, member))
        if line is None:
            return Alive(at)
        relayed = _relayed(data, Cleaner(), 0)
        identity = _identity(channel, relayed, _moment(relayed.get("ts")) or stamp or at)
        at = moment(relayed.get("ts"), at) or at
        return Happened(line.topic, {"id": identity, "at": at, "data": relayed})


def _only(value: Any) -> Any:
    """Pushes name their one coin or address as such; a list of one is read as well."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _moment(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LATEST_MS else None


def _identity(channel: str, data: dict[str, Any], stamp: int) -> str:
    """The same for an event however often it comes. Swaps and liquidity come once for each token of the pair, and are
    known by transaction and log index (on Solana: instruction index); the rest by channel, content and time."""
    transaction = data.get("tx") or data.get("txn")
    index = next((f"{name}{data[name]}" for name in ("lgid", "iix") if whole(data.get(name)) is not None), "")
    if isinstance(transaction, str) and transaction and index:
        return f"{transaction}:{index}"
    content = orjson.dumps([channel, stamp, data], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()[:32]


def _relayed(value: Any, cleaner: Cleaner, depth: int) -> Any:
    """A payload as it may be passed on: finite numbers, printable texts, no deeper and no longer than makes sense."""
    if isinstance(value, dict):
        kept = list(value.items())[:100] if depth < _DEEPEST else []
        return {text(name): _relayed(part, cleaner, depth + 1) for name, part in kept}
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
    # A pong answers each ping, every ten seconds, whatever is followed.
    silence_seconds=35.0,
    stale_seconds=60.0,
    millicredits=25,
    brings=frozenset({"ticks", "onchain"}),
)
