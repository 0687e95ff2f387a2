"""Token Metrics' stream of prices: https://developers.tokenmetrics.com/reference/websocket-price-free.

One kind of message goes out: the list of slugs to follow, with `is_append` 0 in place of the former list (what is done
here) or 1 in addition to it. A frame is one exchange's price of one token::

    {"epoch": 1750779662052, "token_name": "Bitcoin", "token_symbol": "BTC", "token_id": 3375, "cg_id": "bitcoin",
     "exchange": "gate", "exchange_rank": 13, "exchange_type": "cex", "price_in_usd": 105376.15, "volume": 976826225.67}

Which exchange speaks for a token: the one of the best rank (the smallest number; any exchange before any DEX) that was
heard in the last half minute. Others' frames are signs of life, so that a price does not jump between books. `volume`
is one exchange's, never the coin's, and is left out.

The frame does not repeat the slug: it is told by `cg_id`, which for most tokens is the same, else by the name, and from
then on by `token_id`. Neither an acknowledgement, a ping, a close code nor the form of an error is documented. So: a
quiet connection is given three minutes, since a single small token may trade that rarely and the WebSocket's own pings
find dead ones sooner; refusals are told by their words; and at most one message a second is sent, as the smallest plan
has it.
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
from providers.stream import Alive, Dropped, Event, Refused, Stream, Tick, Topic

KEY_HEADER = "x-api-key"
#: After so long another exchange may speak for a token.
_HEARD_MS = 30_000
#: Between two messages of ours.
_PAUSE_MS = 1_000
_FRAMES = 1_000
#: Ranks of exchanges that have none, and what is added for those that are no exchanges in the old sense.
_LAST, _DEX = 100_000, 1_000_000
_MEANINGS: tuple[tuple[tuple[str, ...], type[ProviderError]], ...] = (
    (("limit", "quota", "credit", "too many", "exceed"), RateLimited),
    (("api key", "api-key", "apikey", "unauthori", "authenticat", "forbidden", "access denied"), Unauthorized),
)
#: Closes that other servers of this make use for a key they do not take, and for too much of something.
_CLOSES: dict[int, type[ProviderError]] = {
    **dict.fromkeys((3000, 3003, 4001, 4003, 4401, 4403), Unauthorized),
    **dict.fromkeys((1008, 1013, 4029, 4429), RateLimited),
}


# --- errors, of both interfaces -------------------------------------------------------------------------------------
def meaning(sentence: str) -> type[ProviderError] | None:
    """The kind of error that a sentence of its speaks of, if that can be told."""
    lower = sentence.lower()
    return next((kind for words, kind in _MEANINGS if any(word in lower for word in words)), None)


def refused(status: int, body: bytes) -> ProviderError:
    """What an HTTP answer to the handshake means."""
    try:
        sentence = sentence_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        sentence = ""
    message = f"{status}: {sentence}" if sentence else f"the handshake was answered with {status}"
    if status == 403:
        return (meaning(sentence) or Unauthorized)(message)
    kinds: dict[int, type[ProviderError]] = {401: Unauthorized, 429: RateLimited}
    return (kinds.get(status) or (Unavailable if status >= 500 else NotFound))(message)


def closed(code: int, reason: str) -> ProviderError | None:
    """What a close means: what its words say, else what such a code commonly does."""
    kind = meaning(reason) or _CLOSES.get(code)
    return kind(f"closed with {code}: {text(reason) or 'no reason given'}") if kind else None


def sentence_of(body: Any) -> str:
    """The sentence in an error: under `message`, `error` or `detail`, the last two also one level deeper."""
    known = body if isinstance(body, dict) else {}
    error = known.get("error")
    deeper = error.get("message") if isinstance(error, dict) else None
    return next(
        (made for said in (known.get("message"), error, deeper, known.get("detail")) if (made := text(said))), ""
    )


# --- a connection ---------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Spoken:
    """The newest price of a token: whose, of what standing, when it was made, and when it came."""

    exchange: str
    standing: int
    at: int
    sequence: int
    price: float | int
    heard_ms: int


class Session:
    """One connection: `providers.stream.Session`."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self._wanted: frozenset[str] = frozenset()
        self._said: frozenset[str] = frozenset()
        self._said_at = 0
        self._fresh = True  # nothing has been said yet, so there is nothing to wait for
        self._slugs: dict[int, str] = {}  # token id: slug
        self._spoken: dict[str, _Spoken] = {}

    def opened(self) -> list[str]:
        """Nothing: the key went with the handshake."""
        return []

    def follow(self, topics: Sequence[Topic]) -> list[str]:
        """The whole list in place of the former, at once the first time and else at the next beat. Dollars only."""
        self._wanted = frozenset(
            topic.coin for topic in topics if topic.currency == "usd" and not topic.onchain and is_coin_id(topic.coin)
        )
        self._slugs = {token: slug for token, slug in self._slugs.items() if slug in self._wanted}
        self._spoken = {slug: spoken for slug, spoken in self._spoken.items() if slug in self._wanted}
        return self._list() if self._fresh else []

    def pending(self) -> list[str]:
        """Nothing is said in answer to a message."""
        return []

    def beat(self, now_ms: int) -> list[str]:
        """The list, if it is another than was last said and that was long enough ago."""
        if not self._said_at:
            self._said_at = now_ms
        if 0 <= now_ms - self._said_at < _PAUSE_MS:
            return []
        made = self._list()
        self._said_at = now_ms if made else self._said_at
        return made

    def receive(self, message: str | bytes, now_ms: int) -> list[Event]:
        """What a message means: a frame, a list of them, or words."""
        try:
            said = orjson.loads(message)
        except orjson.JSONDecodeError:
            return [Dropped("a message is not JSON")]
        frames = said if isinstance(said, list) else [said]
        if len(frames) > _FRAMES:
            return [Dropped("a message of too many frames")]
        return [self._event(frame, now_ms) for frame in frames]

    def _list(self) -> list[str]:
        if self._wanted == self._said:
            return []
        self._said, self._fresh = self._wanted, False
        return [orjson.dumps({"is_append": 0, "tokens": sorted(self._wanted)}).decode()]

    def _event(self, frame: Any, now_ms: int) -> Event:
        if not isinstance(frame, dict):
            return Dropped("a frame is no object")
        if "price_in_usd" not in frame:
            return self._words(frame)
        price, at = Cleaner().number(frame["price_in_usd"]), _moment(frame, now_ms)
        if not price:
            return Dropped("a frame without a price")
        slug = self._slug(frame)
        if slug is None:
            return Alive()  # sent before it knew that nobody wants it any more
        return self._judged(slug, frame, _Spoken(_exchange(frame), _standing(frame), at or 0, 0, price, now_ms))

    def _words(self, said: dict[str, Any]) -> Event:
        """An error, if it says so; else some acknowledgement. Which of them are final is not documented: a key that is
        not taken is, and after anything else the close will tell."""
        sentence = sentence_of(said)
        sentence = sentence.replace(self._key, "***") if self._key else sentence
        kind = meaning(sentence)
        if kind is None and "error" not in said and said.get("success") is not False:
            return Alive() if sentence or "success" in said else Dropped("a message that is neither price nor words")
        return Refused((kind or BadPayload)(sentence or "refused without a word"), fatal=kind is Unauthorized)

    def _slug(self, frame: dict[str, Any]) -> str | None:
        token, gecko = frame.get("token_id"), frame.get("cg_id")
        known = self._slugs.get(token) if isinstance(token, int) else None
        if known:
            return known
        named = re.sub(r"[^a-z0-9]+", "-", text(frame.get("token_name")).lower()).strip("-")
        slug = next((one for one in (gecko, named) if isinstance(one, str) and one in self._wanted), None)
        if slug is None or not isinstance(token, int) or isinstance(token, bool):
            return slug
        if slug in self._slugs.values():
            if slug != gecko:
                return None  # a namesake of one that is known by its number
            self._slugs = {number: one for number, one in self._slugs.items() if one != slug}
        self._slugs[token] = slug
        return slug

    def _judged(self, slug: str, frame: dict[str, Any], now: _Spoken) -> Event:
        sequence = frame.get("sequence")
        if isinstance(sequence, int) and not isinstance(sequence, bool) and sequence > 0:
            now.sequence = sequence
        last = self._spoken.get(slug)
        if last and last.exchange == now.exchange:
            same = (now.at, now.sequence, now.price) == (last.at, last.sequence, last.price)
            if same and (now.at or now.sequence):
                return Alive()
            if _older(now, last):
                return Dropped("a frame older than the one before")
        elif last and last.standing <= now.standing and now.heard_ms - last.heard_ms <= _HEARD_MS:
            return Alive()
        self._spoken[slug] = now
        # Sequences are counted by an exchange each, so that across exchanges they mean nothing.
        return Tick(slug, "usd", {"price": now.price}, now.at or None)


def _older(now: _Spoken, last: _Spoken) -> bool:
    if now.sequence and last.sequence:
        return now.sequence < last.sequence
    return bool(now.at and last.at) and now.at < last.at


def _exchange(frame: dict[str, Any]) -> str:
    return text(frame.get("exchange")).lower()


def _standing(frame: dict[str, Any]) -> int:
    rank, kind = frame.get("exchange_rank"), frame.get("exchange_type")
    ranked = rank if isinstance(rank, int) and not isinstance(rank, bool) and 0 < rank < _LAST else _LAST
    return ranked + (0 if text(kind).lower() == "cex" else _DEX)


def _moment(frame: dict[str, Any], now_ms: int) -> int | None:
    """Epoch milliseconds; where there are none, the time in UTC that stands beside them. No later than now."""
    return moment(frame.get("epoch"), now_ms) or Cleaner(now_ms).millis(frame.get("event_timestamp"))


STREAM = Stream(
    session=Session,
    headers=lambda key: {KEY_HEADER: key},
    refused=refused,
    closed=closed,
    silence_seconds=180.0,
    stale_seconds=180.0,
    # The smallest plan has one connection: a new one too soon may meet the old one's ghost.
    first_pause=2.0,
    brings=frozenset({"ticks"}),
)
