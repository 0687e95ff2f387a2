"""CoinMarketCap's API: https://coinmarketcap.com/api/documentation/pro-api-reference/cryptocurrency.

The minute counts calls, the month credits: one for 200 coins of the list, 100 of the quotes or 100 candles, none for
the map of ids, the key's state and errors. Each response states its cost.

Calls without a key use another root, which has no candles and no published limit. The limits of the plans are not in
the reference either: those here are from directories of APIs, and the 450,000 credits of Startup from CoinMarketCap's
guides. Newer pages call Hobbyist Builder, and Standard Growth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from providers.base import Answer, Call, Endpoint, Normalised, Plan, Provider
from providers.clean import Cleaner, impossible, text, titles
from providers.datasets import BLOCK, COIN_FIELDS, WINDOWS, Dataset, Kind, Row
from providers.errors import BadPayload, NotFound, ProviderError
from providers.protocols.coinmarketcap import KEY_HEADER, STREAM
from providers.protocols.coinmarketcap_errors import CODES, error_of, explain, whole

#: Rows per credit: of the list, of the quotes and of candles.
LISTED, QUOTED, CANDLES = 200, 100, 100
#: The page size of the map, and the most pages; with some 10,000 active coins, not all of them are needed.
MAP_PAGE, MAP_PAGES = 5000, 4
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
#: The longest range with hourly candles; longer ones have daily candles. There are no other lengths: `interval` only
#: skips some. Startup has hourly candles of one month, so every plan with candles allows these.
HOURLY_DAYS = 14
#: The newest candle is published 5 minutes after the hour, or 5 to 10 after midnight (UTC).
_LATE_MS = 900_000
_AUX = "cmc_rank,max_supply,circulating_supply,total_supply"
_LOGO = "https://s2.coinmarketcap.com/static/img/coins/64x64/{}.png"
#: Our field: theirs, of the quote and of the coin itself.
_QUOTED = {
    "price": "price",
    "market_cap": "market_cap",
    "fully_diluted_valuation": "fully_diluted_market_cap",
    "volume_24h": "volume_24h",
}
_STATED = {
    "market_cap_rank": "cmc_rank",
    "circulating_supply": "circulating_supply",
    "total_supply": "total_supply",
    "max_supply": "max_supply",
}
_CHANGES = {f"price_change_{span}": f"percent_change_{span}" for span in WINDOWS}
_NO_CANDLES: frozenset[Kind] = frozenset({"candles"})
#: Fields in which 0 means unknown.
_ZERO_IS_UNKNOWN = ("market_cap", "circulating_supply", "fully_diluted_valuation", "total_supply", "max_supply")


# --- markets and quotes ---------------------------------------------------------------------------------------------
def market_calls(dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """Block n of 500 coins in one call: it takes up to 5000."""
    first = (dataset.block - 1) * BLOCK + 1
    params = {"start": str(first), "limit": str(BLOCK), "convert": dataset.currency.upper(), "aux": _AUX}
    return (Call("/v3/cryptocurrency/listings/latest", params, credits=_credits(BLOCK, LISTED)),)


def quote_calls(dataset: Dataset, ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The coins by id, a hundred a call. `skip_invalid`: without it, one unknown id would fail the call."""
    shared = {"convert": dataset.currency.upper(), "skip_invalid": "true", "aux": _AUX}
    return tuple(
        Call("/v3/cryptocurrency/quotes/latest", {"id": ",".join(ids[at : at + QUOTED]), **shared})
        for at in range(0, len(ids), QUOTED)
    )


def _credits(rows: int, for_one: int) -> int:
    return max(1, -(-rows // for_one))


def normalise_markets(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """The coins by market cap, each once. Version 3 is shown here; versions 1 and 2 have the quote as an object by
    currency, and version 2 the coins as an object by id::

    {"status": {"timestamp": "2026-11-02T09:14:40.117Z", "error_code": 0, "credit_count": 3, "total_count": 8705, …},
     "data": [{"id": 1, "name": "Bitcoin", "symbol": "BTC", "slug": "bitcoin", "cmc_rank": 1,
               "circulating_supply": 20028703, "total_supply": 20028703, "max_supply": 21000000,
               "last_updated": "2026-11-02T09:13:00.000Z",
               "quote": [{"id": 2781, "symbol": "USD", "price": 81187.93, "volume_24h": 29932025976.79,
                          "percent_change_1h": -0.12, "percent_change_24h": 0.53, "percent_change_7d": 2.1,
                          "percent_change_30d": -4.9, "market_cap": 1626089237758.01,
                          "fully_diluted_market_cap": 1704946530000.0, "last_updated": "2026-11-02T09:13:00.000Z"}]}]}
    """
    cleaner = Cleaner(answers[0].at)
    raws = [raw for answer in answers for raw in _listed(answer)]
    valid = [row for raw in raws if (row := _coin(raw, dataset.currency, cleaner))]
    rows = _merged(valid)
    total = _total(answers[0]) if dataset.kind == "markets" else None
    if not rows:
        raise _empty(dataset, raws, total)
    if total is not None and len(raws) < min(BLOCK, total - (dataset.block - 1) * BLOCK):
        raise BadPayload(f"the list has {len(raws)} coins of {total}: a part is missing")
    as_of = max((row["last_updated"] or 0 for row in rows), default=0) or None
    meta = {} if total is None else {"universe": total}
    return Normalised(rows, as_of, meta, len(raws) - len(valid), cleaner.blanked)


def _listed(answer: Answer) -> list[Any]:
    """The coins: a list, or an object by id."""
    data = _data(answer)
    if not isinstance(data, list | dict):
        raise BadPayload("the response has no list of coins")
    return data if isinstance(data, list) else list(data.values())


def _data(answer: Answer) -> Any:
    if not isinstance(answer.payload, dict) or "data" not in answer.payload:
        raise BadPayload("the response has no data")
    return answer.payload["data"]


def _coin(raw: Any, currency: str, cleaner: Cleaner) -> Row | None:
    coin = whole(raw.get("id")) if isinstance(raw, dict) else None
    quote = _quote(raw.get("quote"), currency) if coin else None
    if quote is None or impossible(quote.get("price")):
        return None
    symbol, name = titles(text(raw.get("slug")) or str(coin), raw.get("symbol"), raw.get("name"))
    row: Row = {"id": str(coin), "symbol": symbol, "name": name, "logo": _LOGO.format(coin)}
    row |= cleaner.figures(quote, _QUOTED)
    row |= cleaner.figures(raw, _STATED)
    row |= {name: row[name] or None for name in _ZERO_IS_UNKNOWN}
    row |= cleaner.figures(quote, _CHANGES, signed=True)
    row["last_updated"] = cleaner.millis(quote.get("last_updated") or raw.get("last_updated"))
    return {name: row.get(name) for name in COIN_FIELDS}  # the API has no high, low, records and sparkline


def _quote(quotes: Any, currency: str) -> dict[str, Any] | None:
    """The quote in that currency, from a list or from an object by currency."""
    symbol = currency.upper()
    if isinstance(quotes, dict):
        match = quotes.get(symbol)
    else:
        listed = [quote for quote in quotes if isinstance(quote, dict)] if isinstance(quotes, list) else []
        match = next((quote for quote in listed if text(quote.get("symbol")).upper() == symbol), None)
    return match if isinstance(match, dict) else None


def _merged(rows: Iterable[Row]) -> list[Row]:
    newest: dict[str, Row] = {}
    for row in rows:
        former = newest.get(row["id"])
        if former is None or (row["last_updated"] or 0) > (former["last_updated"] or 0):
            newest[row["id"]] = row
    return sorted(newest.values(), key=lambda row: (row["market_cap"] is None, -(row["market_cap"] or 0), row["id"]))


def _empty(dataset: Dataset, raws: list[Any], total: int | None) -> ProviderError:
    if raws:
        return BadPayload(f"none of {len(raws)} coins is valid")
    if dataset.kind == "quotes":
        return NotFound("none of the requested coins has a price")
    if total is not None and dataset.block > 1 and total <= (dataset.block - 1) * BLOCK:
        return NotFound(f"there are only {total} coins")
    return BadPayload("no coin in the response")


def _total(answer: Answer) -> int | None:
    return whole(_status(answer).get("total_count"))


def _status(answer: Answer) -> dict[str, Any]:
    status = answer.payload.get("status") if isinstance(answer.payload, dict) else None
    return status if isinstance(status, dict) else {}


# --- candles --------------------------------------------------------------------------------------------------------
def candle_calls(dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """One call. `count` includes the unfinished candle, which the API does not return."""
    hourly = dataset.days <= HOURLY_DAYS
    candles = dataset.days * 24 if hourly else dataset.days
    period = "hourly" if hourly else "daily"
    params = {
        "id": dataset.coin,
        "convert": dataset.currency.upper(),
        "time_period": period,
        "interval": period,
        "count": str(candles + 1),
    }
    return (Call("/v2/cryptocurrency/ohlcv/historical", params, credits=_credits(candles, CANDLES)),)


def normalise_candles(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Finished candles by open time, oldest first, with the volume of the candle::

    {"status": {"timestamp": "2026-11-02T09:14:40.117Z", "error_code": 0, …},
     "data": {"id": 1, "name": "Bitcoin", "symbol": "BTC", "quotes": [
       {"time_open": "2026-11-01T00:00:00.000Z", "time_close": "2026-11-01T23:59:59.999Z", "time_high": …,
        "quote": {"USD": {"open": 80611.2, "high": 81480.0, "low": 80207.5, "close": 81187.9,
                          "volume": 29932025976.79, "market_cap": 1626089237758.01, "timestamp": …}}}]}}
    """
    cleaner = Cleaner(answers[0].at)
    raws = list(_candles_of(dataset, _data(answers[0])))
    candles = {row["timestamp"]: row for raw in raws if (row := _candle(raw, dataset.currency, cleaner))}
    if not candles:
        raise BadPayload("no candle is valid") if raws else NotFound(f"no candles of {dataset.coin}")
    rows = [candles[stamp] for stamp in sorted(candles)]
    step = HOUR_MS if dataset.days <= HOURLY_DAYS else DAY_MS
    meta = {"interval_ms": step, "volume_basis": "interval"}
    as_of = _as_of(rows[-1]["timestamp"] + step, step, cleaner.millis(_status(answers[0]).get("timestamp")))
    return Normalised(rows, as_of, meta, len(raws) - len(candles), cleaner.blanked)


def _candles_of(dataset: Dataset, data: Any) -> Iterator[Any]:
    """The candles of the coin: `data` is the coin, or an object with the coin by its id."""
    coin = data if isinstance(data, dict) else {}
    if "quotes" not in coin:
        coin = coin.get(dataset.coin) or {}
    if not isinstance(coin, dict) or not isinstance(coin.get("quotes"), list):
        raise BadPayload("the response has no candles")
    if str(coin.get("id", dataset.coin)) != dataset.coin:
        raise BadPayload("the response has candles of another coin")
    yield from coin["quotes"]


def _candle(raw: Any, currency: str, cleaner: Cleaner) -> Row | None:
    quote = _quote(raw.get("quote"), currency) if isinstance(raw, dict) else None
    stamp = cleaner.millis(raw.get("time_open")) if quote else None
    if not quote or not stamp:
        return None
    row = {name: cleaner.number(quote.get(name)) for name in ("open", "high", "low", "close")}
    prices = [value for value in row.values() if value is not None]
    if len(prices) != 4 or prices[1] < max(prices) or prices[2] > min(prices):
        return None
    return {"timestamp": stamp, **row, "volume": cleaner.number(quote.get("volume")), "points": None}


def _as_of(ended: int, step: int, answered: int | None) -> int:
    """While no newer candle can be finished, the response is complete and as old as itself; else as its last candle."""
    return answered if answered is not None and ended <= answered < ended + step + _LATE_MS else ended


# --- assets ---------------------------------------------------------------------------------------------------------
def asset_calls(_dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The active coins, page by page, for no credits."""
    shared = {"listing_status": "active", "sort": "cmc_rank", "limit": str(MAP_PAGE), "aux": "platform"}
    return tuple(
        Call("/v1/cryptocurrency/map", {"start": str(page * MAP_PAGE + 1), **shared}, credits=0)
        for page in range(MAP_PAGES)
    )


def assets_ended(_call: Call, answer: Answer) -> bool:
    """Whether no coin comes after this page."""
    return len(_listed(answer)) < MAP_PAGE


def normalise_assets(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """`{"status": …, "data": [{"id": 825, "rank": 3, "name": "Tether USDt", "symbol": "USDT", "slug": "tether",
    "platform": {"id": 1027, "name": "Ethereum", "symbol": "ETH", "slug": "ethereum", "token_address": "0xdac1…"}}]}`
    """
    raws = [raw for answer in answers for raw in _listed(answer)]
    rows = {row["foreign_id"]: row for raw in raws if (row := _asset(raw))}
    if not rows:
        raise BadPayload("no coin in the response")
    return Normalised(list(rows.values()), dropped=len(raws) - len(rows))


def _asset(raw: Any) -> Row | None:
    coin = whole(raw.get("id")) if isinstance(raw, dict) else None
    if not coin:
        return None
    symbol, name = titles(text(raw.get("slug")) or str(coin), raw.get("symbol"), raw.get("name"))
    platform = raw.get("platform")
    address = text(platform.get("token_address")).lower() if isinstance(platform, dict) else ""
    slug = text(raw.get("slug"))
    contracts = [address] if address else []
    return {
        "foreign_id": str(coin), "symbol": symbol, "name": name, "slug": slug, "coin": "", "contracts": contracts,
    }  # fmt: skip


# --- costs, errors and keys -----------------------------------------------------------------------------------------
def charged(answer: Answer) -> int | None:
    """The credits that the response states as its cost."""
    return whole(_status(answer).get("credit_count"))


def fault(answer: Answer) -> ProviderError | None:
    """Detects errors returned with status 200: they have a code in the status object, and no usable data."""
    code, sentence = explain(answer.payload)
    return error_of(code, sentence) if code else None


def probe(plan: Plan) -> Call:
    """The state of the key, for no credits; without a key, the shortest list."""
    return Call("/v1/key/info", credits=0) if plan.header else Call("/v1/cryptocurrency/map", {"limit": "1"}, credits=0)


def proven(payload: Any) -> str:
    """The result of `probe`: `{"data": {"plan": {"credit_limit_monthly": 15000, "rate_limit_minute": 30, …},
    "usage": {"current_month": {"credits_used": 84, "credits_left": 14916}, …}}}`, or a list of coins."""
    problem = fault(Answer(payload))
    data = payload.get("data") if isinstance(payload, dict) else None
    if problem:
        raise problem
    if isinstance(data, list):
        return "accepted"
    plan, usage = _part(data, "plan"), _part(_part(data, "usage"), "current_month")
    total, minute = whole(plan.get("credit_limit_monthly")), whole(plan.get("rate_limit_minute"))
    if total is None:
        raise BadPayload("the response is not one of CoinMarketCap")
    left = whole(usage.get("credits_left"))
    return f"accepted: {left} of {total} credits left this month, {minute} calls a minute"


def _part(value: Any, name: str) -> dict[str, Any]:
    part = value.get(name) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def _keyed(name: str, per_minute: int, per_month: int, *, small: bool = False) -> Plan:
    """A plan with a key. Small plans have neither candles nor the stream."""
    return Plan(
        name=name,
        base_url="https://pro-api.coinmarketcap.com",
        header=KEY_HEADER,
        per_minute=per_minute,
        per_month=per_month,
        stream_url="" if small else "wss://pro-stream.coinmarketcap.com/v1",
        stream_channels=0 if small else 100,
        lacks=_NO_CANDLES if small else frozenset(),
    )


provider = Provider(
    name="coinmarketcap",
    label="CoinMarketCap",
    url="https://coinmarketcap.com/",
    order=20,
    foreign=True,
    logo_origins=("https://s2.coinmarketcap.com",),
    plans=(
        Plan(
            name="keyless",
            base_url="https://pro-api.coinmarketcap.com/public-api",
            per_minute=5,
            per_month=0,
            lacks=_NO_CANDLES,
        ),
        _keyed("basic", 30, 15_000, small=True),
        _keyed("hobbyist", 60, 150_000, small=True),
        _keyed("startup", 120, 450_000),
        _keyed("standard", 300, 2_000_000),
        _keyed("professional", 600, 5_000_000),
    ),
    endpoints=(
        Endpoint(
            kind="markets", calls=market_calls, normalise=normalise_markets, cache_seconds=60, paid_cache_seconds=60
        ),
        Endpoint(
            kind="quotes", calls=quote_calls, normalise=normalise_markets, cache_seconds=60, paid_cache_seconds=60
        ),
        Endpoint(
            kind="candles", calls=candle_calls, normalise=normalise_candles, cache_seconds=900, paid_cache_seconds=900
        ),
        Endpoint(
            kind="assets",
            calls=asset_calls,
            ended=assets_ended,
            normalise=normalise_assets,
            cache_seconds=30,
            paid_cache_seconds=30,
        ),
    ),
    explain=explain,
    codes=CODES,
    charged=charged,
    fault=fault,
    probe=probe,
    proven=proven,
    stream=STREAM,
)
