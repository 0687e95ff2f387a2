"""Token Metrics' stream of prices, for programs that speak it: https://developers.tokenmetrics.com. Pure.

One message names tokens by slug, in place of the list before (`is_append` 0) or beside it (1); each token is then sent
whenever its price has changed. The provider documents no acknowledgement and no form of errors: there is none of the
former, and errors look as in its REST interface. A slug is the id of a coin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import orjson

from spot.codes import Refused, bad_value
from spot.dialects.base import Authenticate, Command, Dialect, Follow, Mistake, Opening, Route, Subscribe
from spot.dialects.credentials import places
from spot.dialects.messages import json_object
from spot.dialects.values import Done, Failed, Lapsed, Page, UnknownCoins, Value
from spot.feeds.price import PRICE
from spot.feeds.view import View, view_of

#: Tokens of one connection, at most; a plan may allow fewer.
MOST = 500
_EXAMPLE = '{"is_append": 0, "tokens": ["bitcoin", "ethereum"]}'
_TOKENS = f'a list of at most {MOST} slugs such as ["bitcoin", "ethereum"]'
#: The close code of refused keys (RFC 6455, section 7.4.1: a violation of the endpoint's policy), and of servers that
#: have no place.
_POLICY, _TRY_LATER = 1008, 1013
#: Refusals of the key or of the client, after which the connection cannot stay.
_KEYS = frozenset({
    "key_required", "bad_key", "key_revoked", "key_expired", "forbidden_network", "forbidden_origin",
    "too_many_attempts", "too_many_connections", "out_of_credits", "plan_changed",
})  # fmt: skip


@dataclass(frozen=True)
class TokenMetrics(Dialect):
    """A frame for each change of a token's price."""

    name: ClassVar[str] = "tokenmetrics"
    subscriptions: ClassVar[int] = MOST
    refuses_by_status: ClassVar[bool] = True

    def read(self, message: str | bytes, _depth: int) -> Sequence[Command]:
        """The list of tokens, and the key if it is there."""
        raw = json_object(message.decode("utf-8", "replace") if isinstance(message, bytes) else message, _EXAMPLE)
        key = next((raw[name] for name in ("x-api-key", "api_key") if isinstance(raw.get(name), str)), None)
        commands: list[Command] = [] if key is None else [Authenticate(key)]
        if key is None or "tokens" in raw:
            try:
                commands.append(_list(raw))
            except Refused as refused:
                commands.append(Mistake(refused))
        return commands

    def write(self, value: Value) -> bytes | None:
        """Prices, and what is refused."""
        match value:
            case Page():
                return _price(value)
            case Done(Follow(), outcome=outcome) if outcome.missing:
                return _error("unknown_coin", " ".join(why.message for why in outcome.missing.values()))
            case Failed(_, refused) | UnknownCoins(refused):
                return _error(refused.code, refused.message)
            case Lapsed():
                return _error(value.refused.code, value.refused.message)
        return None

    def shows(self, page: Page) -> bool:
        """Whether the token has a price, or will have none."""
        return bool(page.answer.keys()) or not any(why.pending for why in page.missing.values())

    def same(self, before: Page, page: Page) -> bool:
        """Whether neither the price nor its age is another."""
        return (before.answer.data, before.stale) == (page.answer.data, page.stale)

    def ends(self, refused: Refused) -> bool:
        """A wrong key, or a missing one."""
        return refused.code in _KEYS

    def close_code(self, refused: Refused) -> int:
        """The protocol has none of its own."""
        return _TRY_LATER if refused.fact.status == 503 else _POLICY

    def close_reason(self, refused: Refused) -> str:
        """The code of the refusal."""
        return refused.code


# --- messages ---------------------------------------------------------------------------------------------------------


def _list(raw: dict[str, Any]) -> Follow:
    append, tokens = raw.get("is_append"), raw.get("tokens")
    if append not in (0, 1):
        raise bad_value("is_append", "0, to replace the list, or 1, to add to it", append)
    if not isinstance(tokens, list) or len(tokens) > MOST or not all(isinstance(token, str) for token in tokens):
        raise bad_value("tokens", _TOKENS)
    views = (_view(token.strip().lower()) for token in dict.fromkeys(tokens))
    return Follow(tuple(Subscribe(view.key, view) for view in views), instead=append == 0)


@lru_cache(maxsize=4096)
def _view(slug: str) -> View:
    if "," in slug:
        raise bad_value("tokens", _TOKENS)
    try:
        return view_of(PRICE, {"coin_ids": slug, "vs_currency": "usd"}, 0)
    except Refused as refused:
        raise Refused("bad_value", f"tokens: {refused.message}", "tokens") from None


def _error(code: str, message: str) -> bytes:
    return orjson.dumps({"success": False, "code": code, "message": message.replace("coin_ids:", "tokens:")})


def _price(page: Page) -> bytes:
    if not page.answer.keys():
        return _error("no_price", " ".join(f"{coin}: {why.message}" for coin, why in page.missing.items()))
    row, facts = page.answer.cells()[0], page.facts
    at, price = row["as_of"] or facts.as_of or facts.fetched_at, _number(row["price"])
    fields = {
        "timestamp": _time(at),
        "event_timestamp": _time(at),
        "arrival_timestamp": _time(facts.fetched_at),
        "epoch": at,
        "token_address": None,
        "token_name": row["name"],
        "token_symbol": row["symbol"].upper(),
        "token_id": None,
        "cg_id": page.answer.keys()[0],
        "instrument": row["symbol"].upper(),
        "exchange": None,
        "exchange_rank": None,
        "exchange_type": None,
        "amount": None,
        "amount_in_usd": None,
        "price": price,
        "price_in_usd": price,
        "price_against_side_currency": price,
        "volume": _number(row["volume_24h"]),
        "side_amount": None,
        "transaction_type": None,
        "isBid": False,
        "sequence": 0,
        "maker_address": None,
        "signature": None,
        "last_5s_messages": [],
    }
    marks = {"stale": page.stale or bool(row["stale"]), "simulated": facts.simulated}
    return orjson.dumps(fields | {name: True for name, is_so in marks.items() if is_so})


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


@lru_cache(maxsize=1024)
def _time(ms: int) -> str:
    """`2025-06-24 15:41:02`, UTC."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


_HEADERS, _PARAMETERS = ("x-api-key", "api_key"), ("api_key", "x-api-key", "apikey")


def _open(_query_string: bytes, _subprotocols: tuple[str, ...], _depth: int) -> Opening:
    return Opening(TokenMetrics())


ROUTES = (
    Route("compat/tokenmetrics", _open, TokenMetrics(), credentials=places(_HEADERS, _PARAMETERS), late_key=True),
)
