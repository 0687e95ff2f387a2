"""CoinAPI's stream, version 1, for programs that speak it: https://docs.coinapi.io/market-data/websocket. Pure.

`hello` says what is followed, in place of what was; `subscribe` adds, `unsubscribe` removes. Exchange rates, assets and
candles are served, each named by symbols: of several coins with one symbol the largest is meant. Data of single
exchanges (trades, quotes, books) are not there, and a message that asks for them gets an `error`, after which the
connection is closed, as it is after every error of this protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar

import orjson

from spot.codes import Refused, bad_value
from spot.dialects.base import (
    Authenticate,
    Beat,
    Command,
    Dialect,
    Follow,
    Lookup,
    Opening,
    Route,
    Subscribe,
    Unsubscribe,
    Which,
)
from spot.dialects.credentials import places
from spot.dialects.messages import json_object
from spot.dialects.times import to_100_ns
from spot.dialects.values import Drain, Failed, Lapsed, Page, Tick, Value
from spot.feeds import OHLCV
from spot.feeds.price import PRICE
from spot.feeds.view import View, view_of

#: Subscriptions of one connection, at most; a plan may allow fewer.
MOST = 500
_KINDS = ("hello", "subscribe", "unsubscribe")
#: The types that are served.
TYPES = ("exrate", "asset", "ohlcv")
#: The periods of candles that providers have, and the days of the range that has them.
PERIODS = {"30MIN": 1, "4HRS": 30}
_UNITS = (("DAY", 86_400_000), ("HRS", 3_600_000), ("MIN", 60_000), ("SEC", 1000))
_EXAMPLE = (
    '{"type": "hello", "apikey": "…", "subscribe_data_type": ["exrate"], "subscribe_filter_asset_id": ["BTC/USD"]}'
)
_ASSETS = "subscribe_filter_asset_id"
_ALLOWED = f'a list of at most {MOST} assets such as "BTC" or pairs such as "BTC/USD"'
_ASSET = re.compile(r"([^\s/,]{1,40})(?:/([A-Za-z0-9]{2,10}))?")
_SLOWEST_MS = 86_400_000
#: Seconds of silence after which a heartbeat is sent, where heartbeats are asked for.
_SILENCE = 1.0
_POLICY, _TRY_LATER = 1008, 1013


@dataclass(frozen=True)
class CoinApi(Dialect):
    """`kind`: the type of the messages that pages become."""

    name: ClassVar[str] = "coinapi"
    subscriptions: ClassVar[int] = MOST
    refuses_by_status: ClassVar[bool] = True
    ping_seconds: ClassVar[float] = 60
    pong_seconds: ClassVar[float] = 60
    kind: str = "exrate"

    def read(self, message: str | bytes, _depth: int) -> Sequence[Command]:
        """A hello, or a change of what is followed, with the key if it is there."""
        raw = json_object(message.decode("utf-8", "replace") if isinstance(message, bytes) else message, _EXAMPLE)
        kind = raw.get("type")
        if kind not in _KINDS:
            raise bad_value("type", f"one of {', '.join(_KINDS)}", kind)
        key, commands = raw.get("apikey"), list[Command]()
        if isinstance(key, str) and key.strip():
            commands.append(Authenticate(key.strip()))
        scope = _Scope.of(raw)
        if kind == "unsubscribe":
            return (*commands, Unsubscribe(Which(scope.names)))
        if kind == "hello":
            commands.append(Beat(_SILENCE if raw.get("heartbeat") is True else 0))
        return (*commands, Lookup(scope.symbols, partial(_follow, scope, kind == "hello")))

    def write(self, value: Value) -> bytes | None:
        """Data, heartbeats, and errors."""
        match value:
            case Page(answer=answer):
                return _WRITERS[self.kind](value) if answer.keys() else None
            case Tick():
                return b'{"type":"hearbeat"}'  # as the provider spells it
            case Drain(now_ms, after_ms):
                return orjson.dumps({
                    "type": "reconnect",
                    "within_seconds": -(-after_ms // 1000),
                    "before_time": to_100_ns(now_ms + after_ms),
                })  # fmt: skip
            case Failed(_, refused):
                return _error(refused)
            case Lapsed():
                return _error(value.refused)
        return None

    def label(self, wish: Subscribe) -> bytes:
        """Of candles: what they are of. No rows of candles name their coin."""
        return _candle_label(wish.name[1], wish.name[2]) if self.kind == "ohlcv" else b""  # type: ignore[index]

    def shows(self, page: Page) -> bool:
        """Whether there is a price, or a candle."""
        return bool(page.answer.keys())

    def same(self, before: Page, page: Page) -> bool:
        """Whether neither the data nor their age are others."""
        return (before.answer.data, before.stale) == (page.answer.data, page.stale)

    def ends(self, _refused: Refused) -> bool:
        """Every error."""
        return True

    def close_code(self, refused: Refused) -> int:
        """The provider documents none."""
        return _TRY_LATER if refused.fact.status == 503 else _POLICY

    def close_reason(self, refused: Refused) -> str:
        """The code of the refusal."""
        return refused.code

    def http_refusal(self, refused: Refused, _now_ms: int) -> tuple[int, bytes]:
        """`{"error": …}`."""
        return refused.fact.status, orjson.dumps({"error": refused.message})


# --- messages ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scope:
    """What a message asks for: types, pairs of assets, periods of candles, and rates a second at most (0: any)."""

    types: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    periods: tuple[str, ...]
    max_rate: float

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> _Scope:
        """Raises `Refused`."""
        types = _texts(raw, "subscribe_data_type", f"a list of types: {', '.join(TYPES)}", len(TYPES))
        if others := [kind for kind in types if kind not in TYPES]:
            raise Refused(
                "bad_value",
                f"subscribe_data_type: {', '.join(others)[:200]} cannot be served here; {', '.join(TYPES)} can.",
                "subscribe_data_type",
                ", ".join(TYPES),
            )
        pairs = tuple(map(_pair, _texts(raw, _ASSETS, _ALLOWED, MOST)))
        periods: tuple[str, ...] = ()
        if "ohlcv" in types:
            allowed = f"a list of {' and '.join(PERIODS)}, of which either may be left out"
            periods = _texts(raw, "subscribe_filter_period_id", allowed, 100)
            if not PERIODS.keys() >= set(periods):
                raise bad_value("subscribe_filter_period_id", allowed)
        return cls(types, pairs, periods, _rate(raw))

    @property
    def symbols(self) -> frozenset[str]:
        """Of the coins."""
        return frozenset(base for base, _ in self.pairs)

    @property
    def names(self) -> frozenset[tuple[str, ...]]:
        """Of the subscriptions: type, and what it is of."""
        names = set[tuple[str, ...]]()
        for kind in self.types:
            for base, quote in self.pairs:
                if kind == "ohlcv":
                    names |= {(kind, base, quote, period) for period in self.periods}
                else:
                    names.add((kind, base, quote if kind == "exrate" else "USD"))
        return frozenset(names)


def _texts(raw: Mapping[str, Any], name: str, allowed: str, most: int) -> tuple[str, ...]:
    value = raw.get(name)
    if value is None or value == []:
        raise Refused("missing_field", f"{name} is required: {allowed}.", name, allowed)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(text, str) for text in value):
        raise bad_value(name, allowed)
    return tuple(dict.fromkeys(text.strip() for text in value))


def _pair(text: str) -> tuple[str, str]:
    if (match := _ASSET.fullmatch(text)) is None:
        raise bad_value(_ASSETS, _ALLOWED, text)
    return match[1].upper(), (match[2] or "USD").upper()


def _rate(raw: Mapping[str, Any]) -> float:
    name = "subscribe_update_limit_ms_exrate"
    limit = raw.get(name)
    if limit is None or limit == 0:
        return 0
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= _SLOWEST_MS:
        raise bad_value(name, f"a whole number of milliseconds from 0 to {_SLOWEST_MS}", limit)
    return 1000 / limit


def _follow(scope: _Scope, instead: bool, coins: Mapping[str, str]) -> Sequence[Command]:
    if not coins:
        symbols = ", ".join(sorted(scope.symbols)[:20])
        raise Refused("unknown_coin", f"{_ASSETS}: no coin, or more than one small coin, has the symbol {symbols}.")
    wishes = (_wish(name, coins, scope) for name in sorted(scope.names) if name[1] in coins)
    return (Follow(tuple(wishes), instead=instead),)


def _wish(name: tuple[str, ...], coins: Mapping[str, str], scope: _Scope) -> Subscribe:
    kind, base, quote, *period = name
    rate = scope.max_rate if kind == "exrate" else 0
    view = _candles(coins[base], quote.lower(), period[0]) if period else _price(coins[base], quote.lower())
    return Subscribe(name, view, max_rate=rate, dialect=CoinApi(kind))


@lru_cache(maxsize=4096)
def _price(coin: str, currency: str) -> View:
    return view_of(PRICE, {"coin_ids": coin, "vs_currency": currency}, 0)


@lru_cache(maxsize=1024)
def _candles(coin: str, currency: str, period: str) -> View:
    newest = {"sort_by": "timestamp", "sort_order": "desc", "page_size": 1}
    return view_of(OHLCV, {"coin_id": coin, "vs_currency": currency, "days": PERIODS[period], **newest}, 0)


@lru_cache(maxsize=1024)
def _candle_label(base: str, quote: str) -> bytes:
    """An exchange's name begins the ids of the provider; these are of all exchanges."""
    return b'{"type":"ohlcv","symbol_id":%b,' % orjson.dumps(f"ALL_SPOT_{base}_{quote}")


# --- data -------------------------------------------------------------------------------------------------------------


def _error(refused: Refused) -> bytes:
    return orjson.dumps({"type": "error", "message": refused.message})


def _exrate(page: Page) -> bytes:
    row = page.answer.cells()[0]
    return _dumps(page, row["stale"], {
        "time": to_100_ns(row["as_of"] or page.facts.as_of or page.facts.fetched_at),
        "asset_id_base": row["symbol"].upper(),
        "asset_id_quote": page.answer.view.params["vs_currency"].upper(),
        "rate": row["price"],
        "rate_type": "BASE_ALL_CROSSES_TO_REF",
        "type": "exrate",
    })  # fmt: skip


def _asset(page: Page) -> bytes:
    row = page.answer.cells()[0]
    return _dumps(page, row["stale"], {
        "type": "asset",
        "asset_id": row["symbol"].upper(),
        "name": row["name"],
        "type_is_crypto": 1,
        "volume_1day_usd": row["volume_24h"],
        "price_usd": row["price"],
    })  # fmt: skip


def _ohlcv(page: Page) -> bytes:
    row, interval = page.answer.cells([0])[0], page.facts.meta.get("interval_ms") or 0
    start = row["timestamp"]
    fields = {
        "period_id": _period(interval),
        "time_period_start": to_100_ns(start),
        "time_period_end": to_100_ns(start + interval),
        "time_open": to_100_ns(start),
        "time_close": None,
        "price_open": row["open"],
        "price_high": row["high"],
        "price_low": row["low"],
        "price_close": row["close"],
    }
    return _dumps(page, False, fields)[1:]


_WRITERS = {"exrate": _exrate, "asset": _asset, "ohlcv": _ohlcv}


def _dumps(page: Page, stale: bool | None, fields: dict[str, Any]) -> bytes:
    marks = {"stale": page.stale or bool(stale), "simulated": page.facts.simulated}
    return orjson.dumps(fields | {name: True for name, is_so in marks.items() if is_so})


def _period(ms: int) -> str:
    return next((f"{ms // unit}{name}" for name, unit in _UNITS if ms and ms % unit == 0), f"{ms // 1000}SEC")


@lru_cache(maxsize=1024)
def _open(_query_string: bytes, _subprotocols: tuple[str, ...], _depth: int) -> Opening:
    return Opening(CoinApi())


_FIND = places(("X-CoinAPI-Key",), ("apikey", "X-CoinAPI-Key"))
ROUTES = tuple(
    Route(path, _open, CoinApi(), credentials=_FIND, late_key=True) for path in ("compat/coinapi", "compat/coinapi/v1")
)
