"""One socket for everything: any number of feeds and single coins on one connection, in the envelope's frames. Pure.

A client numbers its messages, and each subscription keeps the number of the message that began it: `{"id": 1,` begins
every frame of its own, and the rest of the frame is the group's (`Dialect.label`). Of `price`, each coin is a
subscription.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import orjson

from spot.codes import Refused, bad_value
from spot.dialects import stream_frames, stream_schema
from spot.dialects.base import (
    EVERY,
    Amend,
    Command,
    Dialect,
    Export,
    Follow,
    List,
    Mistake,
    Opening,
    Ping,
    Route,
    Since,
    Subscribe,
    Unsubscribe,
    Which,
)
from spot.dialects.documented import Documented
from spot.dialects.messages import json_object
from spot.dialects.own import PREFIX
from spot.dialects.stream_frames import CHANNELS, FASTEST, LONGEST_ID, METHODS, MOST, SAFE, SLOWEST
from spot.dialects.values import Page, Value
from spot.feeds import Feed
from spot.feeds.price import PRICE
from spot.feeds.view import View, check_names, view_of

_ID = f"a whole number, or a text of 1 to {LONGEST_ID} characters"
_RATE = f"a number of frames a second from {SLOWEST} to {FASTEST}"
_EXAMPLE = '{"id": 1, "method": "subscribe", "channel": "market"}'

Fields = dict[str, Any]


@dataclass(frozen=True)
class Stream(Dialect):
    """The envelope's frames, each with the `id` of its subscription; with `deltas`, the changes since the one before.
    Of events, each is sent."""

    name: ClassVar[str] = "stream"
    extended: ClassVar[bool] = True
    numbered: ClassVar[bool] = True
    events: ClassVar[bool] = True
    subscriptions: ClassVar[int] = MOST
    statuses: ClassVar[bool] = True  # type: ignore[misc]
    deltas: bool = False

    def read(self, message: str | bytes, depth: int) -> Sequence[Command]:
        """The command of a message."""
        raw = json_object(message, _EXAMPLE)
        tag = raw.pop("id", None)
        if not _is_id(tag):
            return (Mistake(bad_value("id", _ID, tag)),)
        try:
            return (_command(raw, tag, depth),)
        except Refused as refused:
            return (Mistake(refused, tag),)

    def label(self, wish: Subscribe) -> bytes:
        """The `id`, and of a single coin its own."""
        return stream_frames.label(wish.tag, wish.view.params["coin_ids"][0] if wish.view.feed is PRICE else None)

    def renamed(self, name: Any, view: View) -> Any:
        """Subscriptions are named by what they show. Raises `Refused` for single coins: one is not turned into
        another."""
        if view.feed is PRICE and view.key != name:
            raise Refused(
                "bad_value", "params of price cannot change: unsubscribe one coin, subscribe another.", "params"
            )
        return view.key

    def same(self, before: Page, page: Page) -> bool:
        """Whether nothing that is told has changed."""
        if page.answer.view.feed is PRICE and before.answer.data != page.answer.data:
            return False
        facts = (before.facts.source, before.epoch) == (page.facts.source, page.epoch)
        if page.answer.view.feed is not PRICE:
            facts = before.facts == page.facts
        return facts and (before.stale, before.missing) == (page.stale, page.missing)

    def write(self, value: Value) -> bytes | None:
        """Every value."""
        return stream_frames.write(value)


# --- messages ---------------------------------------------------------------------------------------------------------


def _command(raw: Fields, tag: Any, depth: int) -> Command:
    method = raw.pop("method", None)
    if method is None:
        allowed = ", ".join(METHODS)
        raise Refused("missing_field", f"method is required: one of {allowed}.", "method", allowed)
    read = _READERS.get(method) if isinstance(method, str) else None
    if read is None:
        raise bad_value("method", f"one of {', '.join(METHODS)}", method)
    _check_fields(method, raw, ("id", "method", *METHODS[method]))
    return read({name: value for name, value in raw.items() if value is not None or name == "max_rate"}, tag, depth)


def _check_fields(what: str, raw: Fields, allowed: Sequence[str]) -> None:
    for name in raw:
        if name not in allowed:
            known = ", ".join(allowed)
            raise Refused(
                "unknown_field", f"{name[:40]!r} is not a field of {what}. Fields: {known}.", name[:40], known
            )


def _subscribe(raw: Fields, tag: Any, depth: int) -> Follow:
    return Follow(_wishes(raw, tag, depth), tag=tag)


def _wishes(raw: Fields, tag: Any, depth: int) -> tuple[Subscribe, ...]:
    views = _views(_channel(raw), raw, depth)
    rate = _rate(raw) or 0
    deltas = _truth(raw, "delta")
    if deltas and views[0].feed is PRICE:
        raise bad_value("delta", "left out for price: a frame of it is one row")
    since = _since(raw, views)
    dialect = Stream(deltas=True) if deltas else None
    return tuple(Subscribe(view.key, view, since, tag, rate, dialect) for view in views)


def _unsubscribe(raw: Fields, tag: Any, depth: int) -> Unsubscribe:
    ways = [name for name in ("subscription", "channel", "all") if name in raw]
    if len(ways) > 1:
        raise bad_value(ways[1], f"left out beside {ways[0]}: one of subscription, channel or all")
    if "params" in raw and "channel" not in raw:
        raise Refused("missing_field", "channel is required beside params.", "channel", ", ".join(CHANNELS))
    if "all" in raw:
        if raw["all"] is not True:
            raise bad_value("all", "true", raw["all"])
        return Unsubscribe(EVERY, tag)
    if "channel" not in raw:
        return Unsubscribe(_target(raw, tag), tag)
    channel = _channel(raw).channel
    if "params" not in raw:
        return Unsubscribe(Which(channel=channel, field="channel"), tag)
    names = frozenset(view.key for view in _views(CHANNELS[channel], raw, depth))
    return Unsubscribe(Which(names, channel, field="params"), tag)


def _replace(raw: Fields, tag: Any, depth: int) -> Follow:
    items = raw.get("subscriptions")
    allowed = f"a list of at most {MOST} objects, each as subscribe has it without method"
    if items is None:
        raise Refused("missing_field", f"subscriptions is required: {allowed}.", "subscriptions", allowed)
    if not isinstance(items, list) or len(items) > MOST:
        raise bad_value("subscriptions", allowed)
    wishes: list[Subscribe] = []
    seen = set()
    for place, item in enumerate(items):
        where = f"subscriptions[{place}]"
        if not isinstance(item, dict):
            raise bad_value(where, "an object such as " + '{"id": 1, "channel": "market"}', item)
        item_id = item.pop("id", None)
        try:
            if not _is_id(item_id) or (item_id is not None and item_id in seen):
                raise bad_value("id", f"{_ID}, another one for each", item_id)
            seen.add(item_id)
            _check_fields("subscribe", item, ("id", *METHODS["subscribe"]))
            given = {name: value for name, value in item.items() if value is not None}
            wishes += _wishes(given, item_id, depth)
        except Refused as refused:
            field = f"{where}.{refused.field}" if refused.field else where
            raise Refused(refused.code, f"{where}: {refused.message}", field, refused.allowed) from None
    return Follow(tuple(wishes), instead=True, tag=tag)


def _update(raw: Fields, tag: Any, _depth: int) -> Amend:
    changes = _params(raw)
    if not {"params", "delta", "max_rate"} & raw.keys():
        allowed = "params, delta or max_rate"
        raise Refused("missing_field", f"update changes {allowed}: name one.", "params", allowed)
    dialect = Stream(deltas=_truth(raw, "delta")) if "delta" in raw else None
    rate = (_rate(raw) or 0) if "max_rate" in raw else None
    return Amend(changes, _target(raw, tag), tag, rate, dialect)


def _export(raw: Fields, tag: Any, _depth: int) -> Export:
    if raw.get("format", "csv") != "csv":
        raise bad_value("format", '"csv"', raw["format"])
    return Export(_target(raw, tag), tag)


_READERS: Mapping[str, Callable[[Fields, Any, int], Command]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "replace": _replace,
    "update": _update,
    "list": lambda _raw, tag, _depth: List(tag),
    "export": _export,
    "ping": lambda _raw, tag, _depth: Ping(tag),
}


# --- fields -----------------------------------------------------------------------------------------------------------


def _is_id(tag: object) -> bool:
    if isinstance(tag, str):
        return 1 <= len(tag) <= LONGEST_ID
    return tag is None or (isinstance(tag, int) and not isinstance(tag, bool) and abs(tag) <= SAFE)


def _target(raw: Fields, tag: Any) -> Which:
    """The subscription with the id in `subscription`, or else with that of the message itself."""
    meant = raw.get("subscription", tag)
    if meant is None:
        raise Refused("missing_field", f"subscription is required: the id of one, {_ID}.", "subscription", _ID)
    if not _is_id(meant):
        raise bad_value("subscription", _ID, meant)
    return Which(tag=meant, field="subscription" if "subscription" in raw else "id")


def _channel(raw: Fields) -> Feed:
    name, allowed = raw.get("channel"), ", ".join(CHANNELS)
    if name is None:
        raise Refused("missing_field", f"channel is required: one of {allowed}.", "channel", allowed)
    if not isinstance(name, str) or name not in CHANNELS:
        raise bad_value("channel", f"one of {allowed}", name)
    return CHANNELS[name]


def _params(raw: Fields) -> Fields:
    params = raw.get("params", {})
    if not isinstance(params, dict):
        raise bad_value("params", "an object of parameters, such as " + '{"page_size": 3}', params)
    return params


def _views(feed: Feed, raw: Fields, depth: int) -> tuple[View, ...]:
    """The views of the parameters: of single coins, one each."""
    params = {name: value for name, value in _params(raw).items() if value is not None}
    if feed is PRICE:
        coins, currency = (param.name for param in PRICE.params)
        _check_fields(feed.channel, params, (coins, currency))
        whole = view_of(PRICE, params, depth).params
        return tuple(_price_view(coin, whole[currency]) for coin in whole[coins])
    check_names(feed, params)
    text = orjson.dumps(params)
    return ((_kept_view if len(text) <= _KEPT_BYTES else _view)(feed.channel, text, depth),)


def _view(channel: str, params: bytes, depth: int) -> View:
    return view_of(CHANNELS[channel], orjson.loads(params), depth)


#: Views of short parameters are parsed once for all clients that ask for them.
_KEPT_BYTES = 512
_kept_view = lru_cache(maxsize=1024)(_view)


@lru_cache(maxsize=4096)
def _price_view(coin: str, currency: str) -> View:
    return view_of(PRICE, {"coin_ids": coin, "vs_currency": currency}, 0)


def _truth(raw: Fields, name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise bad_value(name, "true or false", value)
    return value


def _rate(raw: Fields) -> float | None:
    rate = raw.get("max_rate")
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not SLOWEST <= rate <= FASTEST:
        raise bad_value("max_rate", f"{_RATE}, or null", rate)
    return float(rate)


def _since(raw: Fields, views: Sequence[View]) -> Since | None:
    """The point to go on from: `seq` and `epoch` of the last frame, or the id of the last event."""
    since, epoch = raw.get("since"), raw.get("epoch", "")
    if since is None:
        return None
    if len(views) > 1:
        raise bad_value("since", "left out for several coins: their newest frames are sent")
    if isinstance(since, str) and views[0].feed.events and since:
        return Since(key=since)
    if isinstance(since, bool) or not isinstance(since, int) or not 0 <= since <= SAFE:
        allowed = "the seq of the last frame"
        raise bad_value("since", f"{allowed}, or the id of the last event" if views[0].feed.events else allowed, since)
    if not isinstance(epoch, str) or not epoch:
        raise Refused("missing_field", "epoch is required beside since: that of the last frame.", "epoch")
    return Since(since, epoch)


def _open(query_string: bytes, _subprotocols: tuple[str, ...], _depth: int) -> Opening:
    if query_string:
        raise Refused("unknown_field", "The stream's address has no parameters; subscribe by messages.")
    return Opening(Stream())


_PATH = f"{PREFIX}/ws/stream"
ROUTES = (Route(_PATH, _open, Documented(), interface=partial(stream_schema.channel, f"/{_PATH}")),)
