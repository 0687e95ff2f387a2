"""CoinGecko's REST API, version 3: https://docs.coingecko.com.

A call with status 200 costs one credit; every request counts for the minute. The published demo limit has been 30 and
100 a minute. Keyless has no published limit and is shared by all clients of an address (5 to 15 were observed). The
figures here are the lower ones, and can be raised in the admin.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import orjson

from providers.base import Answer, Call, Endpoint, Normalised, Plan, Provider
from providers.clean import Cleaner, impossible, link, text, titles
from providers.datasets import BLOCK, WINDOWS, Dataset, Row, is_coin_id, is_currency
from providers.errors import BadPayload, NotFound, ProviderError, Unauthorized
from providers.protocols import coingecko as documents
from providers.protocols.coingecko import CATEGORIES, by_candle, chart_points

#: The largest page of /coins/markets, and so the most ids per call.
PAGE = 250
_EVERYTHING = {
    "order": "market_cap_desc",
    "per_page": str(PAGE),
    "sparkline": "true",
    "price_change_percentage": ",".join(WINDOWS),
}
#: The documented length of candles in milliseconds, by days; the longest for more days.
_LENGTHS = {1: 1_800_000, 7: 14_400_000, 14: 14_400_000, 30: 14_400_000}
_LONGEST = 345_600_000
#: Our field: theirs. None of these can be negative.
_AMOUNTS = {
    "price": "current_price",
    "market_cap": "market_cap",
    "market_cap_rank": "market_cap_rank",
    "fully_diluted_valuation": "fully_diluted_valuation",
    "volume_24h": "total_volume",
    "high_24h": "high_24h",
    "low_24h": "low_24h",
    "circulating_supply": "circulating_supply",
    "total_supply": "total_supply",
    "max_supply": "max_supply",
    "ath": "ath",
    "atl": "atl",
    "market_cap_rank_with_rehypothecated": "market_cap_rank_with_rehypothecated",
}
#: The same of changes by window. That of a day is found under another name as well.
_CHANGES = {f"price_change_{window}": f"price_change_percentage_{window}_in_currency" for window in WINDOWS}
_DAY = "price_change_24h"
#: The same of other figures that can be negative.
_DIFFERENCES = {
    "price_difference_24h": "price_change_24h",
    "market_cap_change_24h": "market_cap_change_24h",
    "market_cap_change_percentage_24h": "market_cap_change_percentage_24h",
    "ath_change_percentage": "ath_change_percentage",
    "atl_change_percentage": "atl_change_percentage",
}


# --- markets and quotes ---------------------------------------------------------------------------------------------
def market_calls(dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """Block n of 500 coins is pages 2n-1 and 2n of 250."""
    pages = BLOCK // PAGE
    first = (dataset.block - 1) * pages + 1
    return tuple(
        Call("/coins/markets", {"vs_currency": dataset.currency, **_EVERYTHING, "page": str(page)})
        for page in range(first, first + pages)
    )


def quote_calls(dataset: Dataset, ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The coins by id, a page of them per call."""
    return tuple(
        Call("/coins/markets", {"vs_currency": dataset.currency, "ids": ",".join(ids[at : at + PAGE]), **_EVERYTHING})
        for at in range(0, len(ids), PAGE)
    )


def market_ended(call: Call, answer: Answer) -> bool:
    """Whether this is the last page. Raises `BadPayload` for a page shorter than the total requires."""
    if "page" not in call.params or not isinstance(answer.payload, list):
        return False
    total, before = _total(answer), (int(call.params["page"]) - 1) * PAGE
    if total is not None and len(answer.payload) < min(PAGE, total - before):
        raise BadPayload(f"page {call.params['page']} has {len(answer.payload)} coins of {total}: a part is missing")
    return len(answer.payload) < PAGE or total == before + PAGE


def normalise_markets(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """All pages as one list by market cap, each coin once. A row upstream (null for unknown values)::

    {"id": "bitcoin", "symbol": "btc", "name": "Bitcoin", "image": "https://…/bitcoin.png?1696501400",
     "current_price": 122780, "market_cap": 2447267044011, "market_cap_rank": 1, "total_volume": 69490686984,
     "high_24h": 125506, "low_24h": 121822, "price_change_percentage_24h": 0.77568, "ath": 125506, "atl": 67.81,
     "ath_date": "2025-10-06T18:57:42.558Z", "roi": {"times": 45.9, "currency": "btc", "percentage": 4593.96},
     "last_updated": "2025-10-07T08:08:36.321Z", "sparkline_in_7d": {"price": [117356.8, …168…]},
     "price_change_percentage_1h_in_currency": -0.64, "price_change_percentage_7d_in_currency": 4.9, …}
    """
    cleaner = Cleaner(answers[0].at)
    pages = [[row for raw in _list(answer) if (row := _coin(raw, cleaner))] for answer in answers]
    _refuse_repeats(pages)
    raws = sum(len(answer.payload) for answer in answers)
    rows = _merged(row for page in pages for row in page)
    if not rows:
        raise _empty(dataset, answers, raws)
    meta = {} if (total := _total(answers[0])) is None or dataset.kind == "quotes" else {"universe": total}
    return Normalised(rows, _as_of(pages), meta, raws - sum(map(len, pages)), cleaner.blanked)


def _coin(raw: Any, cleaner: Cleaner) -> Row | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str) or not is_coin_id(raw["id"]):
        return None
    if impossible(raw.get("current_price")):
        return None
    symbol, name = titles(raw["id"], raw.get("symbol"), raw.get("name"))
    row: Row = {"id": raw["id"], "symbol": symbol, "name": name, "logo": link(raw.get("image"))}
    row |= cleaner.figures(raw, _AMOUNTS)
    row |= cleaner.figures(raw, _CHANGES, signed=True)
    if row[_DAY] is None:
        row[_DAY] = cleaner.number(raw.get("price_change_percentage_24h"), signed=True)
    row |= cleaner.figures(raw, _DIFFERENCES, signed=True)
    row |= {name: cleaner.millis(raw.get(name)) for name in ("ath_date", "atl_date")}
    row["roi"] = _roi(raw.get("roi"), cleaner)
    sparkline = raw.get("sparkline_in_7d")
    points = cleaner.numbers(sparkline.get("price")) if isinstance(sparkline, dict) else []
    return row | {"sparkline": points or None, "last_updated": cleaner.millis(raw.get("last_updated"))}


def _roi(raw: Any, cleaner: Cleaner) -> dict[str, Any] | None:
    """The return since a coin's first sale, whole or not at all."""
    if not isinstance(raw, dict):
        return None
    times, percentage = (cleaner.number(raw.get(name), signed=True) for name in ("times", "percentage"))
    currency = text(raw.get("currency")).lower()
    if times is None or percentage is None or not is_currency(currency):
        return None
    return {"times": times, "currency": currency, "percentage": percentage}


def _refuse_repeats(pages: list[list[Row]]) -> None:
    """Raise `BadPayload` for a repeated page. A few coins may move to the next page between two calls."""
    for page, following in pairwise(pages):
        ids = {row["id"] for row in page}
        repeats = sum(row["id"] in ids for row in following)
        if following and repeats > max(25, len(following) // 2):
            raise BadPayload(f"{repeats} of {len(following)} coins are on two pages at once")


def _merged(rows: Iterable[Row]) -> list[Row]:
    newest: dict[str, Row] = {}
    for row in rows:
        former = newest.get(row["id"])
        if former is None or (row["last_updated"] or 0) > (former["last_updated"] or 0):
            newest[row["id"]] = row
    return sorted(newest.values(), key=lambda row: (row["market_cap"] is None, -(row["market_cap"] or 0), row["id"]))


def _as_of(pages: list[list[Row]]) -> int | None:
    """The time of the oldest page, since the provider caches pages separately."""
    ages = [max((row["last_updated"] or 0 for row in page), default=0) for page in pages if page]
    return min(ages, default=0) or None


def _empty(dataset: Dataset, answers: list[Answer], raws: int) -> ProviderError:
    if dataset.kind == "quotes" and not raws:
        return NotFound("none of the requested coins has a price")
    total = _total(answers[0])
    if total is not None and dataset.block > 1 and total <= (dataset.block - 1) * BLOCK:
        return NotFound(f"there are only {total} coins")
    return BadPayload("no coin in the response" if not raws else f"none of {raws} coins is valid")


def _total(answer: Answer) -> int | None:
    total = answer.headers.get("total", "")
    return int(total) if total.isascii() and total.isdigit() and len(total) < 10 else None


# --- candles --------------------------------------------------------------------------------------------------------
def candle_calls(dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """Prices from /ohlc, which has no volume, and volume and finer points from /market_chart over the same days."""
    params = {"vs_currency": dataset.currency, "days": str(dataset.days)}
    return tuple(Call(f"/coins/{{coin}}/{what}", params, {"coin": dataset.coin}) for what in ("ohlc", "market_chart"))


def normalise_candles(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Candles by their OPEN time, with the volume of the 24 hours before their close, and the points of the chart.

    Upstream has the close time: `[[close_ms, open, high, low, close], …]`; the last candle is unfinished, its time in
    the future. The chart is `{"prices": [[ms, price], …], "market_caps": […], "total_volumes": […]}`, at irregular
    times, and not always sorted.
    """
    ohlc, chart = answers
    cleaner = Cleaner(ohlc.at)
    raws, longest = _list(ohlc), _LENGTHS.get(dataset.days, _LONGEST)
    closes = {candle[0]: candle for raw in raws if (candle := _candle(raw, longest, cleaner))}
    if not closes:
        raise BadPayload("no candle is valid") if raws else NotFound(f"no candles of {dataset.coin}")
    stamps = sorted(closes)
    step = _step(stamps, dataset.days)
    prices, traded = _series(chart, "prices", cleaner), _series(chart, "total_volumes", cleaner)
    points = chart_points(prices, _series(chart, "market_caps", cleaner, optional=True), traded)
    parts = by_candle(points, [stamp - step for stamp in stamps])
    volumes = sorted(traded.items())
    times = [moment for moment, _ in volumes]
    rows = [
        {**_published(closes[stamp], step, _volume_at(stamp, step, times, volumes)), "points": part or None}
        for stamp, part in zip(stamps, parts, strict=True)
    ]
    as_of = max(prices) if prices else stamps[-1] - step
    meta = {"interval_ms": step, "volume_basis": "rolling_24h"}
    return Normalised(rows, as_of, meta, len(raws) - len(closes), cleaner.blanked)


def _candle(raw: Any, length: int, cleaner: Cleaner) -> tuple[int, list[float | int]] | None:
    if not isinstance(raw, list) or len(raw) != 5:
        return None
    stamp = cleaner.stamp(raw[0], ahead_ms=length)
    prices = [price for value in raw[1:] if (price := cleaner.number(value)) is not None]
    if stamp is None or len(prices) != 4 or prices[1] < max(prices) or prices[2] > min(prices):
        return None
    return stamp, prices


def _published(candle: tuple[int, list[float | int]], step: int, volume: float | None) -> Row:
    stamp, (opened, high, low, close) = candle
    return {"timestamp": stamp - step, "open": opened, "high": high, "low": low, "close": close, "volume": volume}


def _step(stamps: list[int], days: int) -> int:
    """The length of the candles: the most frequent distance, or for a single candle the documented length."""
    gaps = Counter(later - earlier for earlier, later in pairwise(stamps))
    if gaps:
        return min(gaps, key=lambda gap: (-gaps[gap], gap))
    return _LENGTHS.get(days, _LONGEST)


def _series(answer: Answer, name: str, cleaner: Cleaner, *, optional: bool = False) -> dict[int, float | int]:
    """The values of a chart by time, in its order."""
    points = answer.payload.get(name) if isinstance(answer.payload, dict) else None
    if not isinstance(points, list):
        if optional:
            return {}
        raise BadPayload(f"the chart has no {name}")
    pairs = [
        (cleaner.stamp(point[0]), cleaner.number(point[1]))
        for point in points
        if isinstance(point, list) and len(point) == 2
    ]
    return {moment: value for moment, value in pairs if moment is not None and value is not None}


def _volume_at(stamp: int, step: int, times: list[int], volumes: list[tuple[int, float | int]]) -> float | int | None:
    at = bisect_right(times, stamp) - 1
    return volumes[at][1] if at >= 0 and times[at] > stamp - step else None


# --- lists ----------------------------------------------------------------------------------------------------------
def normalise_currencies(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """`["btc", "eth", "usd", …]`"""
    raws = _list(answers[0])
    ids = list(dict.fromkeys(code for raw in raws if is_currency(code := text(raw).lower())))
    if not ids:
        raise BadPayload("no currency in the response")
    return Normalised([{"id": code} for code in ids], dropped=len(raws) - len(ids))


def normalise_coins(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """`[{"id": "tether", "symbol": "usdt", "name": "Tether", "platforms": {"tron": "TR7NHq…", …}}, …]`, some 17,000.
    Ids unfit for a URL are dropped."""
    raws = _list(answers[0])
    listed = {raw["id"]: _listed(raw) for raw in raws if isinstance(raw, dict) and isinstance(raw.get("id"), str)}
    rows = [row for coin, row in listed.items() if is_coin_id(coin)]
    if not rows:
        raise BadPayload("no coin in the response")
    return Normalised(rows, dropped=len(raws) - len(rows))


def _listed(raw: dict[str, Any]) -> Row:
    symbol, name = titles(raw["id"], raw.get("symbol"), raw.get("name"))
    return {"id": raw["id"], "symbol": symbol, "name": name, "platforms": _platforms(raw.get("platforms"))}


def _platforms(raw: Any) -> dict[str, str]:
    """Addresses by platform. Those of Solana or Tron differ by letter case, so it stays."""
    return {text(name): text(address) for name, address in raw.items()} if isinstance(raw, dict) else {}


def category_calls(dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The largest members of a category; smaller ones are in no snapshot of the market."""
    params = {"vs_currency": "usd", "category": CATEGORIES[dataset.topic], "order": _EVERYTHING["order"]}
    return (Call("/coins/markets", {**params, "per_page": str(PAGE), "page": "1"}),)


def normalise_members(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Rows as of the market, of which only the ids are used. An unknown category has no rows. The meta has the `total`
    number of members, of which the rows may be the largest."""
    raws = _list(answers[0])
    if not raws:
        raise NotFound(f"the category {dataset.topic} is empty")
    ids = {raw["id"]: None for raw in raws if isinstance(raw, dict) and isinstance(raw.get("id"), str)}
    members = [{"id": coin} for coin in ids if is_coin_id(coin)]
    if not members:
        raise BadPayload("no coin in the response")
    total = _total(answers[0])
    return Normalised(members, meta={} if total is None else {"total": total}, dropped=len(raws) - len(members))


def normalise_assets(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """The list of coins as assets."""
    coins = normalise_coins(_dataset, answers)
    rows = [
        {
            "foreign_id": row["id"],
            "symbol": row["symbol"],
            "name": row["name"],
            "slug": row["id"],
            "coin": row["id"],
            "contracts": sorted({address.lower() for address in row["platforms"].values() if address}),
        }
        for row in coins.rows
    ]
    return Normalised(rows, dropped=coins.dropped)


# --- documents ------------------------------------------------------------------------------------------------------
def document_calls(dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The document of that name. Raises `NotFound` for any other name."""
    try:
        asked = documents.named(dataset.topic)
    except ValueError as error:
        raise NotFound(str(error)) from None
    return (Call(f"/{asked.document.path}", {**asked.document.always, **asked.params}, asked.parts),)


def normalise_document(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """The body as it came, with the status; in the meta the `total` number of rows where upstream tells it."""
    answer = answers[0]
    if not isinstance(answer.payload, (dict, list)):
        raise BadPayload("the response is neither an object nor a list")
    try:
        body = answer.body if orjson.loads(answer.body) == answer.payload else b""
    except orjson.JSONDecodeError:
        body = b""
    row = {"id": dataset.topic, "status": answer.status, "body": (body or orjson.dumps(answer.payload)).decode()}
    total = _total(answer)
    return Normalised([row], meta={} if total is None else {"total": total})


def document_lasts(dataset: Dataset, rows: list[Row], paid: bool, now_ms: int) -> float:
    """Seconds for which the document holds."""
    return documents.named(dataset.topic).lasts(rows[0]["status"], now_ms / 1000, paid=paid)


def _list(answer: Answer) -> list[Any]:
    if not isinstance(answer.payload, list):
        raise BadPayload(f"the response is not a list but {type(answer.payload).__name__}")
    return answer.payload


# --- errors and keys ------------------------------------------------------------------------------------------------
def explain(body: Any) -> tuple[int | None, str]:
    """The code and the text of an error body, which has one of four shapes (or a fifth with status 500)::

    {"status": {"error_code": 429, "error_message": "…"}}
    {"error_code": 10010, "status": {"error_message": "…"}}
    {"error": {"status": {"error_code": 10012, "error_message": "…"}}}
    {"error": "coin not found"}
    {"status": 500, "error": "Internal Server Error"}
    """
    if not isinstance(body, dict):
        return None, ""
    error, status = body.get("error"), body.get("status")
    if isinstance(error, dict):
        return explain(error)
    if isinstance(error, str):
        return None, text(error)
    status = status if isinstance(status, dict) else {}
    code = status.get("error_code", body.get("error_code"))
    return (code if isinstance(code, int) else None), text(status.get("error_message"))


def probe(plan: Plan) -> Call:
    """The key's allowance for paid plans; for others, a ping shows whether the key is accepted."""
    return Call("/key") if plan.paid else Call("/ping")


def proven(payload: Any) -> str:
    """The result of `probe`: `{"gecko_says": "…"}`, or the plan and the rest of the month."""
    fields = payload if isinstance(payload, dict) else {}
    if "gecko_says" in fields:
        return "accepted"
    if "monthly_call_credit" not in fields:
        raise BadPayload("the response is not one of CoinGecko")
    left, total = fields.get("current_remaining_monthly_calls"), fields["monthly_call_credit"]
    return text(f"accepted: plan {fields.get('plan')}, {left} of {total} calls left this month")


provider = Provider(
    name="coingecko",
    label="CoinGecko",
    url="https://www.coingecko.com/",
    order=10,
    key_hint="CG-",
    plans=(
        Plan(name="keyless", base_url="https://api.coingecko.com/api/v3", per_minute=5, per_month=0),
        Plan(
            name="demo",
            base_url="https://api.coingecko.com/api/v3",
            header="x-cg-demo-api-key",
            per_minute=30,
            per_month=10_000,
        ),
        Plan(
            name="pro",
            base_url="https://pro-api.coingecko.com/api/v3",
            header="x-cg-pro-api-key",
            per_minute=500,
            per_month=500_000,
            paid=True,
        ),
    ),
    endpoints=(
        Endpoint(
            kind="markets",
            calls=market_calls,
            ended=market_ended,
            normalise=normalise_markets,
            cache_seconds=60,
            paid_cache_seconds=45,
        ),
        Endpoint(
            kind="quotes", calls=quote_calls, normalise=normalise_markets, cache_seconds=60, paid_cache_seconds=45
        ),
        Endpoint(
            kind="candles", calls=candle_calls, normalise=normalise_candles, cache_seconds=900, paid_cache_seconds=900
        ),
        Endpoint(
            kind="currencies",
            calls=lambda _dataset, _ids, _now_ms: (Call("/simple/supported_vs_currencies"),),
            normalise=normalise_currencies,
            cache_seconds=60,
            paid_cache_seconds=30,
        ),
        Endpoint(
            kind="coins",
            calls=lambda _dataset, _ids, _now_ms: (Call("/coins/list", {"include_platform": "true"}),),
            normalise=normalise_coins,
            cache_seconds=1800,
            paid_cache_seconds=300,
        ),
        Endpoint(
            kind="category",
            calls=category_calls,
            normalise=normalise_members,
            cache_seconds=60,
            paid_cache_seconds=45,
        ),
        Endpoint(
            kind="assets",
            calls=lambda _dataset, _ids, _now_ms: (Call("/coins/list", {"include_platform": "true"}),),
            normalise=normalise_assets,
            cache_seconds=1800,
            paid_cache_seconds=300,
        ),
        Endpoint(
            kind="document",
            calls=document_calls,
            normalise=normalise_document,
            cache_seconds=0,
            paid_cache_seconds=0,
            refusals=True,
            lasts=document_lasts,
        ),
    ),
    explain=explain,
    # 10005 and 10012 concern one request, not the key: the plan lacks the endpoint or the range.
    codes={10002: Unauthorized, 10010: Unauthorized, 10011: Unauthorized, 10005: NotFound, 10012: NotFound},
    probe=probe,
    proven=proven,
    logo_origins=("https://coin-images.coingecko.com", "https://assets.coingecko.com"),
)
