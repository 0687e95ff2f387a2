"""CoinMarketCap's WebSocket (beta): https://coinmarketcap.com/api/documentation/pro-api-websocket/overview. Pure.

Text frames of JSON: prices of single coins in dollars, and on-chain events of tokens, pools and wallets as their
provider words them. A coin is named by the provider's number of it (`numbers`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import orjson

from providers.datasets import ONCHAIN_CHANNELS
from spot.codes import Refused
from spot.dialects.base import (
    EVERY,
    Command,
    Follow,
    Mistake,
    Opening,
    Ping,
    Route,
    Subscribe,
    Unsubscribe,
    Which,
)
from spot.dialects.coinmarketcap import stream_frames, stream_schema
from spot.dialects.coinmarketcap.errors import close_of, wrong
from spot.dialects.coinmarketcap.numbers import numbers
from spot.dialects.coinmarketcap.stream_frames import ONCHAIN_PREFIX, PRICES, Asked
from spot.dialects.credentials import places
from spot.dialects.prices import Prices, price_feed
from spot.dialects.values import Value
from spot.feeds.events import ONCHAIN
from spot.feeds.params import Param, Whole
from spot.feeds.view import view_of

KEY = "X-CMC_PRO_API_KEY"
METHODS = ("subscribe", "unsubscribe", "unsubscribe_all", "ping")
CHANNELS = (PRICES, *(ONCHAIN_PREFIX + name for name in ONCHAIN_CHANNELS))
#: The address parameter of channels with another name, and the channels with an interval.
ADDRESSES = {"onchain@pool_metric": "pool_address", "onchain@holder_wallet_update": "wallet_address"}
_TIMED = frozenset({"onchain@kline", "onchain@unique_trader"})
#: The largest message in bytes, an `id` in characters and digits, and the largest number of a coin.
_LONGEST, _LONGEST_ID, _SAFE, _LARGEST = 16_384, 100, 2**53, 10**9

#: Their field: ours. Changes of 60 days, 3 months, the year and all time are not kept; that of the fully diluted market
#: cap is that of the price, since its supply does not change.
FIELDS = {
    "p": "price",
    "vu": "volume_24h",
    "mc": "market_cap",
    "cs": "circulating_supply",
    "p24h": "price_change_24h",
    "p7d": "price_change_7d",
    "p30d": "price_change_30d",
    "p60d": None,
    "p3m": None,
    "p1y": "price_change_1y",
    "pytd": None,
    "pall": None,
    "fdv24h": "price_change_24h",
}
_READS = tuple(dict.fromkeys(column for column in FIELDS.values() if column))
_PLACES = {theirs: None if column is None else _READS.index(column) for theirs, column in FIELDS.items()}

Fields = dict[str, Any]


def _fields(values: tuple[Any, ...]) -> Fields:
    return {name: None if place is None else values[place] for name, place in _PLACES.items()}


FEED = price_feed("market@crypto_latest_price", _READS, _fields, (Param("crypto_id", Whole(1, _LARGEST)),))


@dataclass(frozen=True)
class LatestPrice(Prices):
    """The protocol, with all its channels."""

    name: ClassVar[str] = "coinmarketcap-stream"
    subscriptions: ClassVar[int] = 100
    events: ClassVar[bool] = True
    single_events: ClassVar[bool] = True
    refuses_absent: ClassVar[bool] = True
    dated: ClassVar[bool] = True
    idle_seconds: ClassVar[float] = 300.0
    idle_close: ClassVar[int] = 1001
    idle_without_news: ClassVar[bool] = True
    refuses_by_close: ClassVar[bool] = True

    def read(self, message: str | bytes, _depth: int) -> Sequence[Command]:
        """The command of a message."""
        raw = _object(message)
        asked = Asked(_id(raw))
        try:
            return (_command(raw, asked),)
        except Refused as refused:
            return (Mistake(refused, asked),)

    def label(self, wish: Subscribe) -> bytes:
        """Nothing for prices; of on-chain events the parameters, in the spelling of the client."""
        if wish.view.feed is FEED:
            return b""
        raw, params = wish.view.raw, wish.view.params
        channel = ONCHAIN_PREFIX + params["channel"]
        echo = {"platform_id": params["platform_id"], ADDRESSES.get(channel, "address"): raw["address"]}
        return stream_frames.label(channel, echo | ({"interval": params["interval"]} if params["interval"] else {}))

    def write(self, value: Value) -> bytes | None:
        """The message of a value."""
        return stream_frames.write(value)

    def close_code(self, refused: Refused) -> int:
        """The code that the protocol has for this refusal."""
        return close_of(refused)


# --- messages ---------------------------------------------------------------------------------------------------------


def _object(message: str | bytes) -> Fields:
    if isinstance(message, bytes):
        raise wrong(2201, "Messages are text frames.")
    if not 0 < len(message) <= _LONGEST or len(message.encode("utf-8", "surrogatepass")) > _LONGEST:
        raise wrong(2203, f"A message has 1 to {_LONGEST} bytes.")
    try:
        raw = orjson.loads(message)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise wrong(2201, "The message is not valid JSON.") from error
    if not isinstance(raw, dict):
        raise wrong(2201, "The message must be a JSON object.")
    return raw


def _id(raw: Fields) -> int | str | None:
    number = raw.get("id")
    if isinstance(number, str) and len(number) <= _LONGEST_ID:
        return number
    if number is None or (isinstance(number, int) and not isinstance(number, bool) and abs(number) < _SAFE):
        return number
    raise wrong(2201, "Field 'id' must be an integer or a string.")


def _command(raw: Fields, asked: Asked) -> Command:
    method = raw.get("method")
    if method is None:
        raise wrong(2204, "Field 'method' is required.")
    match method:
        case "ping":
            return Ping(asked)
        case "unsubscribe_all":
            return Unsubscribe(EVERY, asked)
        case "subscribe":
            return _subscribe(raw, asked)
        case "unsubscribe":
            return _unsubscribe(raw, asked)
    raise wrong(2202, f"Field 'method' must be one of {', '.join(METHODS)}.")


def _subscribe(raw: Fields, asked: Asked) -> Follow:
    channel = _channel(raw)
    wishes = _wishes(channel, _params(raw, channel))
    if len(wishes) > LatestPrice.subscriptions:
        raise wrong(2303, f"At most {LatestPrice.subscriptions} in one request; it has {len(wishes)}.")
    return Follow(wishes, tag=Asked(asked.id, channel, _coins(wishes)))


def _unsubscribe(raw: Fields, asked: Asked) -> Unsubscribe:
    channel = _channel(raw)
    if raw.get("params") is None:
        return Unsubscribe(Which(family=channel), Asked(asked.id, channel))
    wishes = _wishes(channel, _params(raw, channel))
    return Unsubscribe(Which(frozenset(wish.name for wish in wishes)), Asked(asked.id, channel, _coins(wishes)))


def _coins(wishes: Sequence[Subscribe]) -> tuple[int, ...]:
    return tuple(wish.view.params["crypto_id"] for wish in wishes if wish.view.feed is FEED)


def _channel(raw: Fields) -> str:
    channel = raw.get("channel")
    if channel is None:
        raise wrong(2204, "Field 'channel' is required.")
    if not isinstance(channel, str) or channel not in CHANNELS:
        raise wrong(2301, f"Field 'channel' must be one of {', '.join(CHANNELS)}.")
    return channel


def _params(raw: Fields, channel: str) -> Fields:
    params = raw.get("params")
    if params is None:
        raise _missing("crypto_ids" if channel == PRICES else "platform_id", channel)
    if not isinstance(params, dict):
        raise wrong(2201, "Field 'params' must be an object.")
    return params


def _missing(name: str, channel: str) -> Refused:
    return wrong(2401, f"Param '{name}' is required for channel '{channel}'.")


def _wishes(channel: str, params: Fields) -> tuple[Subscribe, ...]:
    """The subscriptions of a request, each once."""
    read: Callable[[str, Fields], Sequence[Subscribe]] = _of_coins if channel == PRICES else _of_addresses
    return tuple({wish.name: wish for wish in read(channel, params)}.values())


def _several(channel: str, params: Fields, name: str) -> list[Any]:
    """The items of a parameter: of a list, or one alone."""
    value = params.get(name)
    if value is None:
        raise _missing(name, channel)
    items = value if isinstance(value, list) else [value]
    if not items:
        raise wrong(2402, f"Param '{name}' must not be empty.")
    return items


# --- prices -----------------------------------------------------------------------------------------------------------


def _of_coins(channel: str, params: Fields) -> list[Subscribe]:
    ids = _several(channel, params, "crypto_ids")
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in ids):
        raise wrong(2402, "Param 'crypto_ids' must be a list of integers.")
    coins = {number: numbers.coin(number) for number in ids}
    if unknown := [number for number, coin in coins.items() if coin is None]:
        shown = ", ".join(str(number)[:20] for number in unknown[:10])
        raise wrong(2402, f"Param 'crypto_ids' has ids of no coin that is served here: {shown}.")
    return [_of_coin(number, coin) for number, coin in coins.items() if coin is not None]


@lru_cache(maxsize=4096)
def _of_coin(number: int, coin: str) -> Subscribe:
    name = (PRICES, number)
    return Subscribe(name, view_of(FEED, {"coin_ids": coin, "crypto_id": number}, 0), tag=name)


# --- on-chain events --------------------------------------------------------------------------------------------------


def _of_addresses(channel: str, params: Fields) -> list[Subscribe]:
    platform, interval = params.get("platform_id"), params.get("interval")
    if platform is None:
        raise _missing("platform_id", channel)
    if isinstance(platform, bool) or not isinstance(platform, int):
        raise wrong(2402, "Param 'platform_id' must be a number.")
    if channel in _TIMED and interval is None:
        raise _missing("interval", channel)
    given: dict[str, object] = {"interval": interval} if channel in _TIMED else {}
    name = ADDRESSES.get(channel, "address")
    return [
        _of_address(channel, name, {"platform_id": platform, "address": address, **given})
        for address in _several(channel, params, name)
    ]


def _of_address(channel: str, name: str, params: Mapping[str, object]) -> Subscribe:
    try:
        view = view_of(ONCHAIN, {"channel": channel.removeprefix(ONCHAIN_PREFIX), **params}, 0)
    except Refused as refused:
        field = name if refused.field == "address" else refused.field or name
        allowed = f" It must be {refused.allowed}." if refused.allowed else ""
        raise wrong(2402, f"Param '{field}' is invalid for channel '{channel}'.{allowed}") from refused
    key = (channel, view.datasets[0].topic)
    return Subscribe(key, view, tag=key)


# --- the route --------------------------------------------------------------------------------------------------------


def _open(_query_string: bytes, _subprotocols: tuple[str, ...], _depth: int) -> Opening:
    return Opening(LatestPrice())


_PATH = "compat/coinmarketcap/v1"
ROUTES = (
    Route(
        _PATH,
        _open,
        LatestPrice(),
        interface=partial(stream_schema.channel, f"/{_PATH}"),
        credentials=places((KEY,), ("CMC_PRO_API_KEY", KEY)),
    ),
)
