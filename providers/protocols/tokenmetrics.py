"""Token Metrics' stream of prices: https://developers.tokenmetrics.com/reference/websocket-price-free.

There is one request: a list of slugs that replaces the former list (`is_append` 0, used here) or extends it (1). A
frame is one exchange's price of one token::

    {"epoch": 1750779662052, "token_name": "Bitcoin", "token_symbol": "BTC", "token_id": 3375, "cg_id": "bitcoin",
     "exchange": "gate", "exchange_rank": 13, "exchange_type": "cex", "price_in_usd": 105376.15, "volume": 976826225.67}

The price of a token is that of the exchange with the best rank (the smallest number; any exchange before any DEX) among
those heard in the last half minute. Frames of other exchanges count as heartbeats, so that a price does not jump
between order books. `volume` is that of one exchange, not of the coin, and is ignored.

A frame does not contain the slug: it is found by `cg_id`, which is the same for most tokens, else by the name, and
afterwards by `token_id`. Acknowledgements, pings, close codes and the form of errors are undocumented. Therefore the
silence limit is three minutes, since a small token may trade that rarely and the WebSocket's own pings detect a dead
connection sooner; errors are recognised by their text; and we send at most one message a second, the smallest plan's
limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from providers.clean import Cleaner, moment, text
from providers.datasets import is_coin_id
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from providers.stream import Alive, Channel, Dropped, Event, Rejected, Stream, Tick

KEY_HEADER = "x-api-key"
#: After this long without a frame, another exchange supplies a token's price.
_HEARD_MS = 30_000
#: Between two requests of ours.
_PAUSE_MS = 1_000
_MOST_FRAMES = 1_000
#: The rank of an exchange without one, and the amount added to a DEX's.
_LAST, _DEX = 100_000, 1_000_000
_MEANINGS: tuple[tuple[tuple[str, ...], type[ProviderError]], ...] = (
    (("limit", "quota", "credit", "too many", "exceed"), RateLimited),
    (("api key", "api-key", "apikey", "unauthori", "authenticat", "forbidden", "access denied"), Unauthorized),
)
#: Close codes that servers of this kind commonly use for a rejected key and for a limit.
_CLOSES: dict[int, type[ProviderError]] = {
    **dict.fromkeys((3000, 3003, 4001, 4003, 4401, 4403), Unauthorized),
    **dict.fromkeys((1008, 1013, 4029, 4429), RateLimited),
}


# --- errors, of both interfaces -------------------------------------------------------------------------------------
def meaning(sentence: str) -> type[ProviderError] | None:
    """The error that a text of the provider stands for; None when it matches no phrase."""
    lower = sentence.lower()
    return next((kind for words, kind in _MEANINGS if any(word in lower for word in words)), None)


def refused(status: int, body: bytes) -> ProviderError:
    """Translate an HTTP response to the handshake."""
    try:
        sentence = sentence_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        sentence = ""
    message = f"{status}: {sentence}" if sentence else f"the handshake failed with status {status}"
    if status == 403:
        return (meaning(sentence) or Unauthorized)(message)
    kinds: dict[int, type[ProviderError]] = {401: Unauthorized, 429: RateLimited}
    return (kinds.get(status) or (Unavailable if status >= 500 else NotFound))(message)


def closed(code: int, reason: str) -> ProviderError | None:
    """Translate a close by its reason, else by the common meaning of its code."""
    kind = meaning(reason) or _CLOSES.get(code)
    return kind(f"closed with {code}: {text(reason) or 'no reason given'}") if kind else None


def sentence_of(body: Any) -> str:
    """The text of an error: `message`, `error`, `error.message` or `detail`."""
    fields = body if isinstance(body, dict) else {}
    error = fields.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    return next(filter(None, map(text, (fields.get("message"), error, nested, fields.get("detail")))), "")


# --- a connection ---------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Quote:
    """The newest price of a token: its exchange and rank, the provider's time, and the time of receipt."""

    exchange: str
    rank: int
    at: int
    sequence: int
    price: float | int
    heard_ms: int


class Session:
    """One connection: `providers.stream.Session`."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self._wanted: frozenset[str] = frozenset()
        self._sent: frozenset[str] = frozenset()
        self._sent_at = 0
        self._first = True  # the first list need not wait for the pause
        self._slugs: dict[int, str] = {}  # token id: slug
        self._quotes: dict[str, _Quote] = {}

    def opened(self) -> list[str]:
        """Nothing: the handshake carried the key."""
        return []

    def subscribe(self, channels: Sequence[Channel]) -> list[str]:
        """The whole list in place of the former, the first time at once and later with the next beat. Dollars only."""
        coins = (channel.coin for channel in channels if channel.currency == "usd" and not channel.onchain)
        self._wanted = frozenset(coin for coin in coins if is_coin_id(coin))
        self._slugs = {token: slug for token, slug in self._slugs.items() if slug in self._wanted}
        self._quotes = {slug: quote for slug, quote in self._quotes.items() if slug in self._wanted}
        return self._list() if self._first else []

    def pending(self) -> list[str]:
        """Nothing: no message needs an answer."""
        return []

    def beat(self, now_ms: int) -> list[str]:
        """The list, if it has changed since the last request and the pause is over."""
        if not self._sent_at:
            self._sent_at = now_ms
        if 0 <= now_ms - self._sent_at < _PAUSE_MS:
            return []
        requests = self._list()
        self._sent_at = now_ms if requests else self._sent_at
        return requests

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        """Decode a message: a frame, a list of frames, or a text."""
        try:
            payload = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        frames = payload if isinstance(payload, list) else [payload]
        if len(frames) > _MOST_FRAMES:
            return [Dropped("a message of too many frames")]
        return [self._event(frame, now_ms) for frame in frames]

    def _list(self) -> list[str]:
        if self._wanted == self._sent:
            return []
        self._sent, self._first = self._wanted, False
        return [orjson.dumps({"is_append": 0, "tokens": sorted(self._wanted)}).decode()]

    def _event(self, frame: Any, now_ms: int) -> Event:
        if not isinstance(frame, dict):
            return Dropped("a frame is not an object")
        if "price_in_usd" not in frame:
            return self._notice(frame)
        price, at = Cleaner().number(frame["price_in_usd"]), _moment(frame, now_ms)
        if not price:
            return Dropped("a frame without a price")
        slug = self._slug(frame)
        if slug is None:
            return Alive()  # sent before the server processed the new list
        exchange = text(frame.get("exchange")).lower()
        return self._tick(slug, frame, _Quote(exchange, _rank(frame), at or 0, 0, price, now_ms))

    def _notice(self, payload: dict[str, Any]) -> Event:
        """An error or an acknowledgement, by its text. Only a rejected key is taken as fatal: which errors are is not
        documented, and the server closes after the others."""
        sentence = sentence_of(payload)
        sentence = sentence.replace(self._key, "***") if self._key else sentence
        kind = meaning(sentence)
        if kind is None and "error" not in payload and payload.get("success") is not False:
            return Alive() if sentence or "success" in payload else Dropped("a message with neither price nor text")
        return Rejected((kind or BadPayload)(sentence or "rejected without a reason"), fatal=kind is Unauthorized)

    def _slug(self, frame: dict[str, Any]) -> str | None:
        token, gecko = frame.get("token_id"), frame.get("cg_id")
        if isinstance(token, int) and token in self._slugs:
            return self._slugs[token]
        name = re.sub(r"[^a-z0-9]+", "-", text(frame.get("token_name")).lower()).strip("-")
        slug = next((slug for slug in (gecko, name) if isinstance(slug, str) and slug in self._wanted), None)
        if slug is None or not isinstance(token, int) or isinstance(token, bool):
            return slug
        if slug in self._slugs.values():
            if slug != gecko:
                return None  # another token of the same name has the slug
            self._slugs = {number: other for number, other in self._slugs.items() if other != slug}
        self._slugs[token] = slug
        return slug

    def _tick(self, slug: str, frame: dict[str, Any], now: _Quote) -> Event:
        sequence = frame.get("sequence")
        if isinstance(sequence, int) and not isinstance(sequence, bool) and sequence > 0:
            now.sequence = sequence
        last = self._quotes.get(slug)
        if last and last.exchange == now.exchange:
            same = (now.at, now.sequence, now.price) == (last.at, last.sequence, last.price)
            if same and (now.at or now.sequence):
                return Alive()
            if _older(now, last):
                return Dropped("a frame older than the one before")
        elif last and last.rank <= now.rank and now.heard_ms - last.heard_ms <= _HEARD_MS:
            return Alive()
        self._quotes[slug] = now
        # Each exchange has its own sequence, so it cannot order ticks of several exchanges.
        return Tick(slug, "usd", {"price": now.price}, now.at or None)


def _older(now: _Quote, last: _Quote) -> bool:
    if now.sequence and last.sequence:
        return now.sequence < last.sequence
    return bool(now.at and last.at) and now.at < last.at


def _rank(frame: dict[str, Any]) -> int:
    rank, kind = frame.get("exchange_rank"), frame.get("exchange_type")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 0 < rank < _LAST:
        rank = _LAST
    return rank + (0 if text(kind).lower() == "cex" else _DEX)


def _moment(frame: dict[str, Any], now_ms: int) -> int | None:
    """`epoch` in milliseconds, else the UTC time in `event_timestamp`. No later than now."""
    return moment(frame.get("epoch"), now_ms) or Cleaner(now_ms).millis(frame.get("event_timestamp"))


STREAM = Stream(
    session=Session,
    headers=lambda key: {KEY_HEADER: key},
    refused=refused,
    closed=closed,
    silence_seconds=180.0,
    stale_seconds=180.0,
    # The smallest plan has one connection, and the server may still count the old one just after it closed.
    first_pause=2.0,
    brings=frozenset({"ticks"}),
)
