"""CoinGecko's WebSocket (beta): https://docs.coingecko.com/websocket. Prices of single coins in frames of Rails' Action
Cable, whose `identifier` and `data` are JSON inside texts. Pure.

Of its channels Spot serves CGSimplePrice (C1). A subscription to another is rejected, and the socket stays, since one
client opens several channels on one socket. Clients send `message` without waiting for a confirmation, so none needs
one. Refusals of messages have no documented form: their codes are ten times an HTTP status, as its 2000 is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import orjson

from spot.codes import Refused, bad_value
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
from spot.dialects.coingecko import stream_schema
from spot.dialects.credentials import places
from spot.dialects.messages import json_object
from spot.dialects.prices import Prices, coin_fields, doubts, price_feed
from spot.dialects.values import Done, Drain, Failed, Lapsed, Opened, Page, Tick, Value
from spot.feeds.view import View, view_of

CHANNEL = "CGSimplePrice"
KEYS = tuple(f"x-cg-{plan}-api-key" for plan in ("pro", "demo"))
#: Coins, each in one currency, that one connection may follow; documented are 100.
MOST = 500
_EXAMPLE = '{"command":"subscribe","identifier":"{\\"channel\\":\\"CGSimplePrice\\"}"}'
_ACTIONS = ("set_tokens", "unset_tokens")
#: Refusals that end a connection or keep it from being opened, with the reason in Action Cable's words.
_REASONS = {
    **dict.fromkeys(
        (
            "key_required", "bad_key", "key_revoked", "key_expired", "bad_ticket", "forbidden_origin",
            "forbidden_network", "too_many_attempts", "unknown_feed",
        ),
        "unauthorized",
    ),
    "too_many_connections": "too_many_connections",
    "out_of_credits": "out_of_credits",
    "overloaded": "server_restart",
    "plan_changed": "server_restart",
}  # fmt: skip

Fields = dict[str, Any]


def _fields(values: tuple[Any, ...]) -> Fields:
    price, change, cap, volume, updated = values
    seconds = None if updated is None else int(updated) // 1000
    return {"p": price, "pp": change, "m": cap, "v": volume, "t": seconds}


FEED = price_feed("CGSimplePrice", ("price", "price_change_24h", "market_cap", "volume_24h", "last_updated"), _fields)
_NO_TIME = b'"t":null'


# --- what is asked ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Identified:
    """A subscription to a channel, in the text by which the client knows it."""

    identifier: str


@dataclass(frozen=True, slots=True)
class _Coin:
    """A coin that was set or unset; "" for all."""

    id: str
    unset: bool = False


_PINGED = "ping"
_ALL = _Coin("all tokens", unset=True)


@dataclass(frozen=True)
class SimplePrice(Prices):
    """The protocol, with its channel CGSimplePrice."""

    name: ClassVar[str] = "coingecko-stream"
    subscriptions: ClassVar[int] = MOST
    heartbeat_seconds: ClassVar[float] = 3.0
    repeat_ms: ClassVar[int] = 10_000
    refuses_by_close: ClassVar[bool] = True

    def read(self, message: str | bytes, _depth: int) -> Sequence[Command]:
        """The commands of a frame: one for each coin. A pong is none."""
        raw = json_object(message, _EXAMPLE)
        if raw.get("type") == "pong":
            return ()
        if raw.get("type") == "ping":
            return (Ping(_PINGED),)
        command = raw.get("command")
        if command not in ("subscribe", "unsubscribe", "message"):
            raise bad_value("command", "one of subscribe, unsubscribe, message", command)
        identifier = raw.get("identifier")
        if not isinstance(identifier, str):
            raise bad_value("identifier", 'a text of JSON such as {"channel":"CGSimplePrice"}')
        try:
            _check_channel(identifier)
        except Refused as refused:
            return (Mistake(refused, _Identified(identifier)),)
        if command == "subscribe":
            return (Ping(_Identified(identifier)),)
        return (Unsubscribe(EVERY, _ALL),) if command == "unsubscribe" else tuple(_tokens(raw.get("data")))

    def write(self, value: Value) -> bytes | None:  # noqa: PLR0911 - a row for each value
        """The frame of a value."""
        match value:
            case Page():
                return _price(value)
            case Done(command):
                return _done(getattr(command, "tag", None))
            case Failed(command, refused):
                return _refusal(refused, getattr(command, "tag", None))
            case Lapsed(view=view, refused=refused):
                return _refusal(refused, _Coin(view.params["coin_ids"][0]))
            case Opened():
                return b'{"type":"welcome"}'
            case Tick(now_ms):
                return orjson.dumps({"type": "ping", "message": now_ms // 1000})
            case Drain():
                return _disconnect("server_restart", reconnect=True)
        return None


def _check_channel(identifier: str) -> None:
    try:
        parsed = orjson.loads(identifier)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        parsed = None
    channel = parsed.get("channel") if isinstance(parsed, dict) else None
    if channel != CHANNEL:
        raise bad_value("channel", CHANNEL, channel)


def _tokens(data: object) -> list[Command]:
    """The commands of a message's `data`, one for each coin."""
    try:
        raw = orjson.loads(data) if isinstance(data, str) else None
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raw = None
    if not isinstance(raw, dict):
        raise bad_value("data", 'a text of JSON such as {"coin_id":["bitcoin"],"action":"set_tokens"}')
    action = raw.get("action")
    if action not in _ACTIONS:
        raise bad_value("action", f"one of {', '.join(_ACTIONS)}", action)
    coins = _names(raw, "coin_id")
    currencies = _names(raw, "vs_currencies", "usd")
    if action == "unset_tokens":
        return [_unset(coin, currencies if "vs_currencies" in raw else None) for coin in coins]
    if len(coins) * len(currencies) > MOST:
        raise bad_value("coin_id", f"at most {MOST} coins and currencies together")
    return [_set(coin, currencies) for coin in coins]


def _names(raw: Fields, name: str, default: str = "") -> list[str]:
    """The distinct items of a list, or of a text with commas as in the pilot of 2025."""
    value = raw.get(name, default)
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise bad_value(name, "a list of texts")
    names = list(dict.fromkeys(stripped for item in items if (stripped := item.strip().lower())))
    if not names:
        raise Refused("missing_field", f"{name} is required: a list of texts.", name)
    return names


def _set(coin: str, currencies: Sequence[str]) -> Command:
    tag = _Coin(coin)
    try:
        names = [(coin, currency) for currency in currencies]
        return Follow(tuple(Subscribe(name, _view(*name), tag=name) for name in names), tag=tag)
    except Refused as refused:
        return Mistake(refused, tag)


def _unset(coin: str, currencies: Sequence[str] | None) -> Command:
    which = Which(family=coin) if currencies is None else Which(frozenset((coin, currency) for currency in currencies))
    return Unsubscribe(which, _Coin(coin, unset=True))


@lru_cache(maxsize=4096)
def _view(coin: str, currency: str) -> View:
    return view_of(FEED, {"coin_ids": coin, "vs_currency": currency}, 0)


# --- frames -----------------------------------------------------------------------------------------------------------


def _price(page: Page) -> bytes:
    params = page.answer.view.params
    head = orjson.dumps({"c": "C1", "i": params["coin_ids"][0], "vs": params["vs_currency"]})[:-1]
    fields = coin_fields(page)
    if fields.endswith(_NO_TIME):  # the source does not date its coins: the time of its answer
        at = page.facts.as_of or page.facts.fetched_at
        fields = fields.removesuffix(_NO_TIME) + b'"t":%d' % (at // 1000)
    more = orjson.dumps(doubts(page))[1:]
    return head + b"," + fields + (b"," + more if len(more) > 1 else more)


def _done(tag: object) -> bytes | None:
    match tag:
        case _Identified(identifier):
            return orjson.dumps({"type": "confirm_subscription", "identifier": identifier})
        case _Coin(coin, unset):
            done = "Unsubscription" if unset else "Subscription"
            return orjson.dumps({"code": 2000, "message": f"{done} is successful for {coin}"})
        case "ping":
            return b'{"type":"pong"}'
    return None


def _refusal(refused: Refused, tag: object) -> bytes:
    if isinstance(tag, _Identified):
        return orjson.dumps({"type": "reject_subscription", "identifier": tag.identifier})
    if tag is None and (reason := _REASONS.get(refused.code)):
        return _disconnect(reason, reconnect=refused.fact.retry)
    about = f"Subscription failed for {tag.id}: " if isinstance(tag, _Coin) else ""
    return orjson.dumps({"code": refused.fact.status * 10, "message": about + refused.message})


def _disconnect(reason: str, *, reconnect: bool) -> bytes:
    return orjson.dumps({"type": "disconnect", "reason": reason, "reconnect": reconnect})


# --- the route --------------------------------------------------------------------------------------------------------


def _open(_query_string: bytes, _subprotocols: tuple[str, ...], _depth: int) -> Opening:
    """Parameters beside the key, such as the CLI's `source`, are not read."""
    return Opening(SimplePrice())


_PATH = "compat/coingecko/stream/v1"
ROUTES = (
    Route(
        _PATH,
        _open,
        SimplePrice(),
        interface=partial(stream_schema.channel, f"/{_PATH}"),
        credentials=places(KEYS, (*KEYS, *(key.replace("-", "_") for key in KEYS))),
    ),
)
