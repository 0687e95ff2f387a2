"""The frames of CoinMarketCap's WebSocket. Pure.

A price is one frame for everybody. An on-chain frame begins with the parameters as each client spelled them (`label`),
so what a group says of on-chain events comes without its first brace.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from spot.codes import Refused
from spot.dialects.base import Follow, Ping
from spot.dialects.coinmarketcap.errors import CODES, Wrong, absent, code_of, status_of
from spot.dialects.prices import coin_fields, doubts
from spot.dialects.values import Done, Events, Failed, Lapsed, Opened, Page, Unavailable, Value

PRICES, ONCHAIN_PREFIX = "market@crypto_latest_price", "onchain@"
#: A client that pings in this interval learns early that its connection is dead.
PING_INTERVAL_MS = 10_000

Fields = dict[str, Any]


class Asked(NamedTuple):
    """What an answer repeats of a request."""

    id: int | str | None = None
    channel: str | None = None
    crypto_ids: tuple[int, ...] = ()


_NOTHING = Asked()


def label(channel: str, params: Fields) -> bytes:
    """What the frames of an on-chain subscription begin with."""
    return orjson.dumps({"channel": channel, "params": params})[:-1] + b","


def write(value: Value) -> bytes | None:  # noqa: PLR0911 - a row for each value
    """The frame that tells a value."""
    match value:
        case Page():
            return _price(value)
        case Events(page, rows):
            return orjson.dumps({"type": "data", "data": rows[0]["data"], "ts": page.now_ms} | doubts(page))[1:]
        case Opened():
            return orjson.dumps({"type": "welcome", "ping_interval_ms": PING_INTERVAL_MS})
        case Done():
            return _done(value)
        case Unavailable(refused, now_ms):
            return orjson.dumps({"type": "error", "status": status_of(absent(refused), now_ms)})[1:]
        case Failed(Follow(wishes, tag=tag), refused, now_ms) if wishes and wishes[0].view.feed.events:
            return _failed(tag, absent(refused), now_ms)
        case Failed(command, refused, now_ms):
            return _failed(getattr(command, "tag", None), refused, now_ms)
        case Lapsed(view=view, refused=refused, now_ms=now_ms):
            number = view.params.get("crypto_id")
            named = f"Param 'crypto_ids': {number} has ended. " if number else ""
            return _error(_NOTHING, Wrong("bad_value", named + refused.message, number=code_of(refused)), now_ms)
    return None


def _price(page: Page) -> bytes:
    number = page.answer.view.params["crypto_id"]
    more = orjson.dumps({"ts": page.now_ms} | doubts(page))[1:]
    return (
        b'{"type":"data","channel":"market@crypto_latest_price","params":{"crypto_ids":%d},"data":{"cid":%d,%b},%b'
        % (number, number, coin_fields(page), more)
    )


def _named(kind: str, asked: Asked) -> Fields:
    return {"type": kind} | ({} if asked.id is None else {"id": asked.id})


def _done(done: Done) -> bytes | None:
    command, outcome = done.command, done.outcome
    asked = getattr(command, "tag", None)
    if not isinstance(asked, Asked):
        return None
    if isinstance(command, Ping):
        return orjson.dumps(_named("pong", asked) | {"code": 0, "ts": done.now_ms})
    fields: Fields = {"code": 0, "msg": "ok"} | ({"channel": asked.channel} if asked.channel else {})
    if asked.crypto_ids:
        fields["crypto_ids"] = asked.crypto_ids
    if isinstance(command, Follow) and len(outcome.duplicates) == len(command.wishes):
        fields["duplicate"] = True
    counts = {"sub_count": done.subscriptions, "sub_limit": done.limit}
    return orjson.dumps(_named("ack", asked) | fields | counts)


def _failed(asked: Any, refused: Refused, now_ms: int) -> bytes | None:
    if not isinstance(asked, Asked):
        asked = _NOTHING
        if CODES[code_of(refused)].silent:  # the close code says it
            return None
    return _error(asked, refused, now_ms)


def _error(asked: Asked, refused: Refused, now_ms: int) -> bytes:
    return orjson.dumps(_named("error", asked) | {"status": status_of(refused, now_ms)})
