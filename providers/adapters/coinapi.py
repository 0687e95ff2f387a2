"""CoinAPI: https://docs.coinapi.io/market-data. Exchange rates over REST and by stream.

Prices are exchange rates: volume-weighted averages of 24 hours, without market cap, volume or change. Assets have
symbol-like ids (BTC), which are not ours.

A call costs one credit; with `limit`, one per hundred items. The quota applies to the last 24 hours, and is stated in
X-RateLimit-* headers. Documented are 100 a day (free) and 10,000 (streamer); 1,000 and 100,000 are steps of the price
list. The months here are thirty such days, which the budget spends evenly. Limits a minute are not published, except
that concurrent calls are limited: the figures here are conservative.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from providers.base import Answer, Call, Endpoint, Normalised, Plan, Provider
from providers.clean import Cleaner, text
from providers.datasets import COIN_FIELDS, Dataset, Row, is_coin_id
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited
from providers.protocols.coinapi import KEY_HEADER, STREAM, meaning, sentence_of

_HOST, _STREAM = "https://rest.coinapi.io", "wss://ws.coinapi.io/v1/"
_DAY_MS = 86_400_000
#: Assets per call, so that the URL stays short.
_BATCH = 100
#: Items that one credit buys; no range here needs more.
_LIMIT = 100
#: Pseudo-codes for its error texts, since its errors have no codes.
_CODES: dict[int, type[ProviderError]] = {403: RateLimited, 404: NotFound}


@dataclass(frozen=True, slots=True)
class _Period:
    """A length of candles and its name in the API."""

    name: str
    length_ms: int


_HALF_HOUR, _HOURS_4, _HOURS_8 = _Period("30MIN", 1_800_000), _Period("4HRS", 14_400_000), _Period("8HRS", 28_800_000)
_DAY, _DAYS_2, _DAYS_5 = _Period("1DAY", _DAY_MS), _Period("2DAY", 2 * _DAY_MS), _Period("5DAY", 5 * _DAY_MS)
_PERIODS = {1: _HALF_HOUR, 7: _HOURS_4, 14: _HOURS_4, 30: _HOURS_8, 90: _DAY, 180: _DAYS_2, 365: _DAYS_5}


# --- quotes ---------------------------------------------------------------------------------------------------------
def quote_calls(dataset: Dataset, ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The rates of the currency to each asset; `invert` makes them prices of the assets."""
    return tuple(
        Call(
            "/v1/exchangerate/{base}",
            {"filter_asset_id": ",".join(ids[at : at + _BATCH]), "invert": "true"},
            {"base": dataset.currency.upper()},
        )
        for at in range(0, len(ids), _BATCH)
    )


def normalise_quotes(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Prices only; the other fields are None. As old as the oldest price. Upstream::

    {"asset_id_base": "USD",
     "rates": [{"time": "2026-05-03T12:00:01.1230000Z", "asset_id_quote": "BTC", "rate": 67012.2}, …]}
    """
    cleaner = Cleaner(answers[0].at)
    raws = [raw for answer in answers for raw in _rates(dataset, answer)]
    rows = {row["id"]: row for raw in raws if (row := _quote(raw, cleaner))}
    if not rows:
        raise BadPayload(f"none of {len(raws)} rates is valid") if raws else NotFound("no rate of any of the assets")
    as_of = min((row["last_updated"] for row in rows.values() if row["last_updated"]), default=None)
    return Normalised(list(rows.values()), as_of, {}, len(raws) - len(rows), cleaner.blanked)


def _rates(dataset: Dataset, answer: Answer) -> list[Any]:
    payload = answer.payload
    if not isinstance(payload, dict) or not isinstance(payload.get("rates"), list):
        raise BadPayload("the response has no rates")
    if payload.get("asset_id_base") != dataset.currency.upper():
        raise BadPayload(f"rates of another currency than {dataset.currency}")
    return payload["rates"]


def _quote(raw: Any, cleaner: Cleaner) -> Row | None:
    asset = raw.get("asset_id_quote") if isinstance(raw, dict) else None
    if not isinstance(asset, str) or not is_coin_id(asset):
        return None
    price = cleaner.number(raw.get("rate"))
    if not price:  # an asset with price 0 is not traded
        return None
    fields = {"id": asset, "symbol": asset.upper(), "name": asset, "logo": "", "price": price}
    return dict.fromkeys(COIN_FIELDS) | fields | {"last_updated": cleaner.millis(raw.get("time"))}


# --- candles --------------------------------------------------------------------------------------------------------
def candle_calls(dataset: Dataset, _ids: tuple[str, ...], now_ms: int) -> tuple[Call, ...]:
    """The history of the rate. The API needs start and end: the complete periods of these days, and the present one."""
    period = _PERIODS[dataset.days]
    end = -(-now_ms // period.length_ms) * period.length_ms
    start = end - (dataset.days * _DAY_MS // period.length_ms + 1) * period.length_ms
    params = {"period_id": period.name, "time_start": _iso(start), "time_end": _iso(end), "limit": str(_LIMIT)}
    path = "/v1/exchangerate/{base}/{quote}/history"
    return (Call(path, params, {"base": dataset.coin, "quote": dataset.currency.upper()}),)


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def normalise_candles(dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Candles of the rate by start time, without volume. Upstream::

    [{"time_period_start": "2026-05-03T00:00:00.0000000Z", "time_period_end": "2026-05-03T04:00:00.0000000Z",
      "time_open": "…", "time_close": "…", "rate_open": 1.0, "rate_high": 1.0, "rate_low": 1.0, "rate_close": 1.0}, …]
    """
    payload, cleaner = answers[0].payload, Cleaner(answers[0].at)
    if not isinstance(payload, list):
        raise BadPayload(f"the response is not a list but {type(payload).__name__}")
    candles = [candle for raw in payload if (candle := _candle(raw, cleaner))]
    if not candles:
        raise BadPayload("no candle is valid") if payload else NotFound(f"no history of {dataset.coin}")
    rows = {row["timestamp"]: row for row, _ in candles}
    meta = {"interval_ms": _PERIODS[dataset.days].length_ms, "volume_basis": "none"}
    as_of = max(closing or row["timestamp"] for row, closing in candles)
    return Normalised([rows[stamp] for stamp in sorted(rows)], as_of, meta, len(payload) - len(rows), cleaner.blanked)


def _candle(raw: Any, cleaner: Cleaner) -> tuple[Row, int | None] | None:
    if not isinstance(raw, dict):
        return None
    start = cleaner.millis(raw.get("time_period_start"))
    names = ("open", "high", "low", "close")
    prices = {name: cleaner.number(raw.get(f"rate_{name}")) for name in names}
    valid = [price for price in prices.values() if price]
    if start is None or len(valid) < len(names) or prices["high"] != max(valid) or prices["low"] != min(valid):
        return None
    return {"timestamp": start, **prices, "volume": None, "points": None}, cleaner.millis(raw.get("time_close"))


# --- assets ---------------------------------------------------------------------------------------------------------
def normalise_assets(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Traded assets without fiat currencies. Upstream, some twenty thousand, most fields left out here::

    [{"asset_id": "BTC", "name": "Bitcoin", "type_is_crypto": 1, "volume_1day_usd": 1.0, "price_usd": 67012.2,
      "chain_addresses": [{"chain_id": "ETHEREUM", "network_id": "MAINNET", "address": "0x…"}]}, …]
    """
    payload = answers[0].payload
    if not isinstance(payload, list):
        raise BadPayload(f"the response is not a list but {type(payload).__name__}")
    valid = [raw for raw in payload if _is_asset(raw)]
    rows = {raw["asset_id"]: _asset(raw) for raw in valid if raw.get("type_is_crypto")}
    if not rows:
        raise BadPayload("no asset in the response")
    return Normalised(list(rows.values()), dropped=len(payload) - len(valid))


def _is_asset(raw: Any) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("asset_id"), str) and is_coin_id(raw["asset_id"])


def _asset(raw: dict[str, Any]) -> Row:
    asset, chains = raw["asset_id"], raw.get("chain_addresses")
    listed = chains if isinstance(chains, list) else []
    addresses = [text(chain.get("address")).lower() for chain in listed if isinstance(chain, dict)]
    return {
        "foreign_id": asset,
        "symbol": asset.upper(),
        "name": text(raw.get("name")) or asset,
        "slug": "",
        "coin": "",
        "contracts": list(filter(None, addresses)),
    }


# --- errors, costs and keys -----------------------------------------------------------------------------------------
def explain(body: Any) -> tuple[int | None, str]:
    """A code of ours for the text of an error body, and the text: status 550 means that there are no data, and 403 that
    the plan lacks something or that its credits are used up."""
    sentence = sentence_of(body)
    return {NotFound: 404, RateLimited: 403}.get(meaning(sentence) or ProviderError), sentence


def charged(answer: Answer) -> int | None:
    """The cost of a response, by its X-RateLimit-Request-Cost header."""
    cost = answer.headers.get("x-ratelimit-request-cost", "")
    return int(cost) if cost.isascii() and cost.isdigit() and len(cost) < 7 else None


def proven(payload: Any) -> str:
    """The result of the probe: `{"asset_id_base": "BTC", "asset_id_quote": "USD", "rate": …}`."""
    if not isinstance(payload, dict) or "rate" not in payload:
        raise BadPayload("the response is not one of CoinAPI")
    return "accepted"


def _plan(name: str, a_day: int, per_minute: int, *, paid: bool = True) -> Plan:
    return Plan(
        name=name,
        base_url=_HOST,
        stream_url=_STREAM,
        header=KEY_HEADER,
        per_minute=per_minute,
        per_month=30 * a_day,
        paid=paid,
    )


provider = Provider(
    name="coinapi",
    label="CoinAPI",
    url="https://www.coinapi.io/",
    order=45,  # last of the real providers, since its rate is an average of 24 hours
    foreign=True,
    plans=(
        _plan("free", 100, 10, paid=False),
        _plan("startup", 1_000, 30),
        _plan("streamer", 10_000, 60),
        _plan("pro", 100_000, 120),
    ),
    endpoints=(
        Endpoint(kind="quotes", calls=quote_calls, normalise=normalise_quotes, cache_seconds=1, paid_cache_seconds=1),
        Endpoint(
            kind="candles", calls=candle_calls, normalise=normalise_candles, cache_seconds=60, paid_cache_seconds=60
        ),
        Endpoint(
            kind="assets",
            calls=lambda _dataset, _ids, _now_ms: (Call("/v1/assets"),),
            normalise=normalise_assets,
            cache_seconds=86_400,
            paid_cache_seconds=86_400,
        ),
    ),
    explain=explain,
    codes=_CODES,
    charged=charged,
    stream=STREAM,
    probe=lambda _plan: Call("/v1/exchangerate/{base}/{quote}", parts={"base": "BTC", "quote": "USD"}),
    proven=proven,
)
