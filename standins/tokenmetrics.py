"""Token Metrics' stand-in: prices of several exchanges over the stream, the tokens over REST.

Documented: the URL without a path, the key in a header, the two messages with `is_append`, the fields of a frame, and
by plan the concurrent connections, symbols per connection and messages a second. REST accepts both spellings of the
header that the provider's clients use. Invented, since undocumented: a wrong key causes a 401 or a close
(`refuses_by`), a limit causes a 429 or a close with 1008, too many symbols an error message; and the texts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar, Literal

from providers.sandbox.coins import Coin
from standins.base import Peer, Request, Standin


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """Limits of a plan: concurrent connections; symbols and messages a second per connection."""

    connections: int
    symbols: int
    messages: int


LIMITS = {
    "basic": PlanLimits(1, 15, 1),
    "advanced": PlanLimits(3, 60, 3),
    "premium": PlanLimits(6, 120, 8),
    "vip": PlanLimits(12, 250, 12),
}
#: Exchanges with their ranks, kinds, and the factor between their prices and the market's.
EXCHANGES = (
    ("binance", 1, "cex", 1.0),
    ("coinbase", 2, "cex", 1.0004),
    ("gate", 13, "cex", 0.9993),
    ("uniswap_v3", 40, "dex", 1.0015),
)
#: Slugs that differ from the ids of the market's coins.
_SLUGS = {"avalanche-2": "avalanche", "binancecoin": "bnb", "the-open-network": "toncoin"}


class Tokenmetrics(Standin):
    """`plan` selects the limits."""

    root: ClassVar[str] = "/v2"
    stream_path: ClassVar[str] = ""

    def __init__(
        self, *, plan: str = "basic", refuses_by: Literal["status", "close"] = "status", **common: Any
    ) -> None:
        super().__init__(**common)
        self.limits, self.refuses_by = LIMITS[plan], refuses_by
        self.tokens = {_SLUGS.get(coin.id, coin.id): coin for coin in self.market.coins}
        self.numbers = {slug: 3_000 + number for number, slug in enumerate(self.tokens)}

    # --- REST ---------------------------------------------------------------------------------------------------------
    def refused(self, _status: int, message: str) -> Any:
        """`{"success": false, "message": "…"}`"""
        return {"success": False, "message": message}

    def answer(self, request: Request) -> Any:
        """The tokens; any other path is 404."""
        self._check_key(request, "api_key")
        if request.path.rstrip("/") != "/tokens":
            raise self.refusal(404, "no such endpoint")
        matches = [row for slug, coin in self.tokens.items() if _matches(row := self._row(slug, coin), request.params)]
        size, page = (_count(request.params.get(name), usual) for name, usual in (("limit", 1_000), ("page", 1)))
        rows = matches[(page - 1) * size : page * size]
        return {"success": True, "message": "Data fetched successfully", "length": len(rows), "data": rows}

    def _check_key(self, request: Request, *more: str) -> None:
        key = next((value for name in ("x-api-key", *more) if (value := request.headers.get(name))), "")
        if not key:
            raise self.refusal(401, "Missing API key")
        if self.key and key != self.key:
            raise self.refusal(401, "Invalid API key")

    def _row(self, slug: str, coin: Coin) -> dict[str, Any]:
        return {
            "TOKEN_ID": self.numbers[slug],
            "TOKEN_NAME": coin.name,
            "TOKEN_SYMBOL": coin.symbol.upper(),
            "TOKEN_SLUG": slug,
            "CATEGORY": coin.kind,
            "EXCHANGE": [name for name, *_ in EXCHANGES],
            "CONTRACT_ADDRESS": None,
        }

    # --- stream -------------------------------------------------------------------------------------------------------
    def admit(self, request: Request) -> None:
        """Reject by status, if it does so."""
        if self.refuses_by == "status":
            self._check_key(request)
            if len(self.peers) >= self.limits.connections:
                raise self.refusal(429, "Concurrent connection limit reached")

    async def opened(self, peer: Peer) -> None:
        """Reject by a close, if it does so; there is no welcome."""
        key = peer.request.headers.get("x-api-key", "")
        if not key or (self.key and key != self.key):
            await peer.close(1008, "Invalid API key")
        elif len(self.peers) > self.limits.connections:
            await peer.close(1008, "Concurrent connection limit reached")

    async def received(self, peer: Peer, message: str | bytes) -> None:
        """A list that replaces or extends the former one. Unknown slugs have no prices."""
        try:
            request = json.loads(message)
            append, tokens = request["is_append"], request["tokens"]
            names = [slug for slug in tokens if isinstance(slug, str)]
        except (ValueError, KeyError, TypeError):
            await peer.send({"error": "Invalid message"})
            return
        former = peer.memory.get("tokens", []) if append else []
        wanted = list(dict.fromkeys([*former, *names]))
        peer.memory["tokens"] = wanted[: self.limits.symbols]
        if len(wanted) > self.limits.symbols:
            await peer.send({"error": f"Subscription limit of {self.limits.symbols} symbols exceeded"})

    async def pulse(self, peer: Peer) -> None:
        """The next frames in turn, all tokens of the first exchange, then all of the next, as many as the limit of a
        second allows by its clock."""
        slugs = [slug for slug in peer.memory.get("tokens", []) if slug in self.tokens]
        turns = [(slug, exchange) for exchange in EXCHANGES for slug in slugs]
        at, second = peer.memory.get("at", 0), self.clock.now() // 1000
        sent = peer.memory.get("sent", 0) if peer.memory.get("second") == second else 0
        frames = min(len(turns), self.limits.messages - sent)
        for slug, exchange in islice(turns * 2, at % max(1, len(turns)), at % max(1, len(turns)) + frames):
            await peer.data(self.frame(slug, exchange))
        peer.memory |= {"at": at + frames, "second": second, "sent": sent + frames}

    def frame(self, slug: str, exchange: tuple[str, int, str, float] = EXCHANGES[0]) -> dict[str, Any]:
        """The present frame of a token on an exchange."""
        name, rank, kind, factor = exchange
        coin, at = self.tokens[slug], self.now()
        price, stamp = self.price(coin.id) * factor, f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S}"
        return {
            **dict.fromkeys(("timestamp", "event_timestamp", "arrival_timestamp"), stamp),
            "epoch": at,
            "token_address": None,
            "token_name": coin.name,
            "token_symbol": coin.symbol.upper(),
            "token_id": self.numbers[slug],
            "cg_id": coin.id,
            "instrument": coin.symbol.upper(),
            "exchange": name,
            "exchange_rank": rank,
            "exchange_type": kind,
            "amount": None,
            "amount_in_usd": None,
            "price": price,
            "price_in_usd": price,
            "price_against_side_currency": price,
            "volume": self.volume(coin.id) / (10 * rank),
            "side_amount": None,
            "transaction_type": None,
            "isBid": False,
            "sequence": 0,
            "maker_address": None,
            "signature": None,
            "last_5s_messages": [],
        }


def _count(text: str | None, usual: int) -> int:
    return int(text) if text and text.isdecimal() and 0 < len(text) < 7 and int(text) else usual


def _matches(row: dict[str, Any], params: dict[str, str]) -> bool:
    filters = {"token_id": "TOKEN_ID", "token_name": "TOKEN_NAME", "symbol": "TOKEN_SYMBOL", "slug": "TOKEN_SLUG"}
    allowed = {key: params[name].lower().split(",") for name, key in filters.items() if params.get(name)}
    return all(str(row[key]).lower() in values for key, values in allowed.items())


standin = Tokenmetrics
