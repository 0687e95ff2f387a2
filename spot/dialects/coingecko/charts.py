"""CoinGecko's candles and charts of a coin, from the store as far as it has them. Pure."""

from __future__ import annotations

from functools import partial

from providers.datasets import CANDLE_RANGES
from spot.codes import Refused
from spot.dialects.coingecko.asked import Asked
from spot.dialects.coingecko.passed import document, whole
from spot.dialects.coingecko.rows import rounded
from spot.dialects.rest import Pages, Reading, Reply, pages_of
from spot.feeds import OHLCV
from spot.feeds.candles import CHART, chart
from spot.feeds.view import view_of
from spot.query.jsontext import dumps

#: Charts of so many days have points by the hour; longer ones by the day.
_HOURLY_DAYS = 90
_CHART_PARAMETERS = ("vs_currency", "days", "interval", "precision")


def _days(asked: Asked) -> int | None:
    """The days asked for, where they are a whole number of at most a year."""
    text = asked.need("days")
    days = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    return days if 1 <= days <= CANDLE_RANGES[-1] else None


def ohlc(asked: Asked) -> Reading:
    """`/coins/{id}/ohlc`: candles by the time of their end."""
    currency, days = asked.currency, _days(asked)
    if asked.parameters.text("interval") or asked.parameters.text("days") == "max":
        raise Refused("forbidden_channel", "interval and days=max need a paid plan, which this site does not pass on.")
    if days not in CANDLE_RANGES:
        allowed = ", ".join(map(str, CANDLE_RANGES))
        raise Refused("bad_value", f"Invalid days parameter: one of {allowed}", "days", allowed)
    view = view_of(OHLCV, {"coin_id": asked.coin, "vs_currency": currency, "days": days}, asked.depth)
    return Reading((view,), partial(_write_candles, asked.precision), fresh_seconds=900)


def _write_candles(precision: int | None, pages: Pages) -> Reply:
    page = pages_of(pages)[0]
    step = page.facts.meta.get("interval_ms", 0)
    names = ("timestamp", "open", "high", "low", "close")
    candles = [
        [row["timestamp"] + step, *(rounded(row[name], precision) for name in names[1:])]
        for row in page.answer.table.rows(names, page.answer.page.indices.tolist())
    ]
    return Reply(dumps(candles))


def market_chart(asked: Asked) -> Reading:
    """`/coins/{id}/market_chart`: from the chart behind the candles where it has these points, else passed on."""
    currency, days, interval = asked.currency, _days(asked), asked.parameters.text("interval").lower()
    usual = "daily" if days is not None and days > _HOURLY_DAYS else "hourly" if days != 1 else ""
    if days is None or interval not in ("", usual):
        params = {name: asked.parameters.text(name) for name in _CHART_PARAMETERS}
        return whole(asked, document(asked, asked.path, params), 300)
    view = view_of(CHART, {"coin_id": asked.coin, "vs_currency": currency, "days": days}, asked.depth)
    return Reading((view,), partial(_write_chart, days, asked.precision), fresh_seconds=300)


def _write_chart(days: int, precision: int | None, pages: Pages) -> Reply:
    points = chart(pages_of(pages)[0].answer.table, days)
    series = {
        "prices": [(at, rounded(price, precision)) for at, price, *_ in points],
        "market_caps": [(at, cap) for at, _price, cap, _volume in points],
        "total_volumes": [(at, volume) for at, *_, volume in points],
    }
    return Reply(dumps(series))
