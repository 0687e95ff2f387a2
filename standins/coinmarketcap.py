"""CoinMarketCap's stand-in: the list, quotes, the map of ids, candles and a key's state over REST; prices and on-chain
channels over the stream (`coinmarketcap_stream`).

As documented: a status object in every response, codes as numbers (as strings below `/public-api`), credits by rows,
calls counted by the UTC minute, candles for Startup and above only, responses cached for a minute. The ids of
well-known coins are the real ones; the others are invented. There are no contracts and market pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from providers.protocols.coinmarketcap_ids import IDS
from providers.sandbox.coins import DAY_MS
from providers.sandbox.market import HOUR_MS, MARK_MS, Quotes
from providers.sandbox.rows import iso
from standins.base import ErrorReply, Peer, Request, Standin
from standins.coinmarketcap_stream import Channels

#: Calls a minute and credits a month, by plan.
PLANS = {
    "basic": (30, 15_000),
    "hobbyist": (60, 150_000),
    "startup": (120, 450_000),
    "standard": (300, 2_000_000),
    "professional": (600, 5_000_000),
}
#: Plans without candles and stream.
SMALL = frozenset({"basic", "hobbyist"})
KEYLESS, KEYLESS_PER_MINUTE = "/public-api", 30
#: The first invented id.
_INVENTED = 50_000
#: The cache time of responses, and the delay of daily and hourly candles.
_CACHE_MS, _LATE_MS = 60_000, {DAY_MS: 600_000, HOUR_MS: 300_000}
_STATUSES = {1001: 401, 1002: 401, 1003: 402, 1004: 402, 1005: 403, 1006: 403, 1007: 403} | dict.fromkeys(
    range(1008, 1012), 429
)
MESSAGES = {
    1001: "This API Key is invalid.",
    1002: "API key missing.",
    1003: "Your API Key must be activated.",
    1004: "Your API Key subscription plan has expired.",
    1005: "An API Key is required for this call.",
    1006: "Your plan does not support this endpoint.",
    1007: "This API Key has been disabled. Please contact support.",
    1008: "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute.",
    1009: "You've exceeded your API Key's daily rate limit.",
    1010: "You've exceeded your API Key's monthly rate limit.",
    1011: "You've hit an IP rate limit.",
}


class Coinmarketcap(Standin):
    """`plan` is that of the key. `code` (0: none) is the error of every call, and of every handshake if the stream has
    a close for it. Tests may change `per_minute` and `per_month`."""

    stream_path: ClassVar[str] = "/v1"

    def __init__(self, *, plan: str = "startup", code: int = 0, pulse_seconds: float = 5.0, **common: Any) -> None:
        super().__init__(pulse_seconds=pulse_seconds, **common)
        self.plan, self.code = plan, code
        self.per_minute, self.per_month = PLANS[plan]
        self.channels = Channels(self)
        #: The month's cost so far in thousandths of a credit; the calls by minute, with and without a key.
        self.millicredits = 0
        self._minutes: dict[tuple[int, bool], int] = {}
        coins = self.market.coins
        self._rows = {IDS.get(coin.id, _INVENTED + row): row for row, coin in enumerate(coins)}
        self._ids = {coins[row].id: number for number, row in self._rows.items()}

    @property
    def keyless_url(self) -> str:
        """The base URL for calls without a key."""
        return self.url + KEYLESS

    def id_of(self, coin: str) -> int:
        """CoinMarketCap's id of a coin of the simulated market. Raises `KeyError` for an unknown coin."""
        return self._ids[coin]

    def coin_of(self, number: int) -> str | None:
        """The coin of an id; None for an unknown id."""
        row = self._rows.get(number)
        return None if row is None else self.market.coins[row].id

    # --- REST ---------------------------------------------------------------------------------------------------------
    def refused(self, status: int, message: str) -> Any:
        """A status object without data; the HTTP status is also the code."""
        return {"status": self._status(0, status, message)}

    def refusal_of(self, code: int) -> ErrorReply:
        """The error of a code."""
        return self.refusal(_STATUSES[code], body={"status": self._status(0, code, MESSAGES[code])})

    def answer(self, request: Request) -> Any:
        """A response in its envelope, after the check of key and limits."""
        keyless = request.path.startswith(f"{KEYLESS}/")
        self._admit(request, keyless)
        path = request.path.removeprefix(KEYLESS)
        endpoints: dict[str, Callable[[Request], tuple[Any, int, dict[str, Any]]]] = {
            "/v3/cryptocurrency/listings/latest": self._listings,
            "/v3/cryptocurrency/quotes/latest": self._quotes,
            "/v1/cryptocurrency/map": self._map,
            "/v2/cryptocurrency/ohlcv/historical": self._candles,
            "/v1/key/info": self._key,
        }
        if path not in endpoints:
            raise self.refusal(404, "Not Found")
        if keyless and path in ("/v1/key/info", "/v2/cryptocurrency/ohlcv/historical"):
            raise self.refusal_of(1005)
        data, cost, extra = endpoints[path](request)
        self.millicredits += 0 if keyless else cost * 1000
        status = self._status(cost, 0, None) | extra
        return {"status": status | {"error_code": "0"} if keyless else status, "data": data}

    def _admit(self, request: Request, keyless: bool) -> None:
        if self.code:
            raise self.refusal_of(self.code)
        if not keyless:
            self._check_key(request)
        minute = (request.at // 60_000, keyless)
        self._minutes = {key: calls for key, calls in self._minutes.items() if key[0] == minute[0]}
        self._minutes[minute] = self._minutes.get(minute, 0) + 1
        if self._minutes[minute] > (KEYLESS_PER_MINUTE if keyless else self.per_minute):
            raise self.refusal_of(1011 if keyless else 1008)
        if not keyless and self.spent and request.path != "/v1/key/info":
            raise self.refusal_of(1010)

    @property
    def streams(self) -> bool:
        """Whether the plan has the stream."""
        return self.plan not in SMALL

    @property
    def spent(self) -> bool:
        """Whether the month's credits are used up."""
        return self.millicredits >= self.per_month * 1000

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("x-cmc_pro_api_key", "")
        if not key:
            raise self.refusal_of(1002)
        if self.key not in ("", key):
            raise self.refusal_of(1001)

    def _status(self, cost: int, code: int, message: str | None) -> dict[str, Any]:
        return {
            "timestamp": iso(self.now()),
            "error_code": code,
            "error_message": message,
            "elapsed": 12,
            "credit_count": cost,
            "notice": None,
        }

    def _all_quotes(self, currency: str) -> Quotes:
        try:
            return self.market.quotes(self.clock.now() // _CACHE_MS * _CACHE_MS, currency.lower())
        except KeyError:
            raise self.refusal(400, f'Invalid value for "convert": "{currency}"') from None

    def _number(self, request: Request, name: str, default: int, most: int) -> int:
        text = request.params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise self.refusal(400, f'"{name}" must be a whole number between 1 and {most}')
        return int(text)

    def _listings(self, request: Request) -> tuple[Any, int, dict[str, Any]]:
        start, limit = self._number(request, "start", 1, 10**6), self._number(request, "limit", 100, 5000)
        quotes = self._all_quotes(request.params.get("convert", "USD"))
        ranked = [int(row) for row in np.argsort(quotes.rank, kind="stable") if quotes.rank[row]]
        rows = ranked[start - 1 : start - 1 + limit]
        return self._coins(quotes, rows), -(-len(rows) // 200), {"total_count": len(ranked)}

    def _quotes(self, request: Request) -> tuple[Any, int, dict[str, Any]]:
        ids = request.params.get("id", "")
        if not ids:
            raise self.refusal(400, '"value" must contain at least one of [id, slug, symbol]')
        by_id = {number: self._rows.get(int(number)) if number.isdigit() else None for number in ids.split(",")}
        unknown = [number for number, row in by_id.items() if row is None]
        if unknown and request.params.get("skip_invalid") != "true":
            raise self.refusal(400, f'Invalid value for "id": "{",".join(unknown)}"')
        rows = [row for row in by_id.values() if row is not None]
        quotes = self._all_quotes(request.params.get("convert", "USD"))
        return self._coins(quotes, rows), max(1, -(-len(rows) // 100)), {}

    def _map(self, request: Request) -> tuple[Any, int, dict[str, Any]]:
        start, limit = self._number(request, "start", 1, 10**6), self._number(request, "limit", 5000, 5000)
        ranks = self._all_quotes("usd").rank
        rows = [int(row) for row in np.argsort(np.where(ranks > 0, ranks, 10**6), kind="stable")]
        data = [self._names(row) | {"rank": int(ranks[row]), "is_active": 1, "platform": None} for row in rows]
        return data[start - 1 : start - 1 + limit], 0, {}

    def _names(self, row: int) -> dict[str, Any]:
        coin = self.market.coins[row]
        return {"id": self._ids[coin.id], "name": coin.name, "symbol": coin.symbol.upper(), "slug": coin.id}

    def _coins(self, quotes: Quotes, rows: Iterable[int]) -> list[dict[str, Any]]:
        chosen = np.array(list(rows), dtype=np.int64)
        if not len(chosen):
            return []
        before = self.market.prices([quotes.at - days * DAY_MS for days in (60, 90)], chosen, quotes.currency)
        changes = (quotes.price[chosen][:, None] / before - 1) * 100
        return [
            self._coin(quotes, int(row), {"60d": change[0], "90d": change[1]})
            for row, change in zip(chosen, changes, strict=True)
        ]

    def _coin(self, quotes: Quotes, row: int, longer: dict[str, float]) -> dict[str, Any]:
        coin = self.market.coins[row]
        updated = iso(int(quotes.updated[row]) // 60_000 * 60_000 + self.skew_ms)
        price = float(quotes.price[row]) * self.lies.get(coin.id, 1.0)
        spans = {span: quotes.changes[span][row] for span in ("1h", "24h", "7d", "30d")} | longer
        quote = {
            "id": 2781,
            "symbol": quotes.currency.upper(),
            "price": price,
            "volume_24h": _number(quotes.volume[row]),
            "volume_change_24h": 0.0,
            **{f"percent_change_{span}": _number(change) for span, change in spans.items()},
            "market_cap": _number(price * (coin.circulating or 0)) or 0,
            "fully_diluted_market_cap": _number(price * (coin.maximum or coin.total or 0)) or 0,
            "tvl": None,
            "last_updated": updated,
        }
        return self._names(row) | {
            "num_market_pairs": 100,
            "max_supply": coin.maximum,
            "circulating_supply": coin.circulating or 0,
            "total_supply": coin.total,
            "infinite_supply": coin.maximum is None,
            "platform": None,
            "cmc_rank": int(quotes.rank[row]) or None,
            "last_updated": updated,
            "quote": [quote],
        }

    def _candles(self, request: Request) -> tuple[Any, int, dict[str, Any]]:
        if self.plan in SMALL:
            raise self.refusal_of(1006)
        number, currency = request.params.get("id", ""), request.params.get("convert", "USD")
        row = self._rows.get(int(number)) if number.isdigit() else None
        if row is None:
            raise self.refusal(400, f'Invalid value for "id": "{number}"')
        self._all_quotes(currency)
        step = HOUR_MS if request.params.get("time_period", "daily") == "hourly" else DAY_MS
        last = (self.clock.now() - _LATE_MS[step]) // step * step
        closes = range(last - (self._number(request, "count", 10, 10_000) - 2) * step, last + 1, step)
        since = int(self.market.listed_since(self.clock.now())[row])
        candles = self._ohlcv(row, currency, [close - step for close in closes if close - step >= since], step)
        names = self._names(row)
        data = {**{name: names[name] for name in ("id", "name", "symbol")}, "quotes": candles}
        return data, -(-len(candles) // 100), {}

    def _ohlcv(self, row: int, currency: str, openings: list[int], step: int) -> list[dict[str, Any]]:
        """The candles that open at these times, from the market's prices at all marks within them."""
        if not openings:
            return []
        rows, lie = np.array([row]), self.lies.get(self.market.coins[row].id, 1.0)
        opens = np.array(openings)
        times = opens[:, None] + np.arange(0, step + 1, MARK_MS if step == HOUR_MS else HOUR_MS)
        prices = self.market.prices(times.ravel(), rows, currency.lower()).reshape(times.shape) * lie
        traded = self.market.volumes(opens + step, rows, currency.lower())[0] * step / DAY_MS
        supply = self.market.coins[row].circulating or 0
        return [
            {
                "time_open": iso(at),
                "time_close": iso(at + step - 1),
                "time_high": iso(int(marks[inside.argmax()])),
                "time_low": iso(int(marks[inside.argmin()])),
                "quote": {
                    currency.upper(): {
                        "open": float(inside[0]), "high": float(inside.max()), "low": float(inside.min()),
                        "close": float(inside[-1]), "volume": float(volume),
                        "market_cap": _number(float(inside[-1]) * supply), "timestamp": iso(at + step - 1),
                    }
                },
            }
            for at, marks, inside, volume in zip(openings, times, prices, traded, strict=True)
        ]  # fmt: skip

    def _key(self, request: Request) -> tuple[Any, int, dict[str, Any]]:
        used, calls = -(-self.millicredits // 1000), self._minutes[(request.at // 60_000, False)]
        left = max(0, self.per_month - used)
        plan = {
            "credit_limit_monthly": self.per_month,
            "credit_limit_monthly_reset": "In 3 days, 19 hours, 56 minutes",
            "credit_limit_monthly_reset_timestamp": iso((self.now() // DAY_MS + 4) * DAY_MS),
            "rate_limit_minute": self.per_minute,
        }
        usage = {
            "current_minute": {"requests_made": calls, "requests_left": self.per_minute - calls},
            "current_day": {"credits_used": used, "credits_left": left},
            "current_month": {"credits_used": used, "credits_left": left},
        }
        return {"plan": plan, "usage": usage}, 0, {}

    # --- the stream ---------------------------------------------------------------------------------------------------
    async def opened(self, peer: Peer) -> None:
        """A welcome or a close; the handshake itself never fails."""
        await self.channels.opened(peer)

    async def received(self, peer: Peer, message: str | bytes) -> None:
        """A request and its answer."""
        await self.channels.received(peer, message)

    async def pulse(self, peer: Peer) -> None:
        """A push for every subscription."""
        await self.channels.pulse(peer)


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


standin = Coinmarketcap
