"""The views that tutorials write: each request reads the market from Redis, and encodes what it asks for."""

import json
import os

from django.http import HttpRequest, JsonResponse
from redis.asyncio import Redis

from bench.plain.keys import LIST, MARKET, PRICES

_redis = Redis.from_url(os.environ.get("BENCH_REDIS", "unix:///nowhere"))


async def prices(request: HttpRequest) -> JsonResponse:
    """Prices of coins by id, with their change in 24 hours."""
    rows = {row["id"]: row for row in json.loads(await _redis.get(PRICES))}
    currency = request.GET["vs_currencies"]
    answer = {}
    for coin in request.GET["ids"].split(","):
        if (row := rows.get(coin)) is not None:
            answer[coin] = {
                currency: row["current_price"],
                f"{currency}_24h_change": row["price_change_percentage_24h"],
            }
    return JsonResponse(answer)


async def markets(request: HttpRequest) -> JsonResponse:
    """A page of the market."""
    rows = json.loads(await _redis.get(MARKET))
    size = int(request.GET["per_page"])
    start = (int(request.GET["page"]) - 1) * size
    return JsonResponse(rows[start : start + size], safe=False)


async def coins(_request: HttpRequest) -> JsonResponse:
    """Every coin."""
    return JsonResponse(json.loads(await _redis.get(LIST)), safe=False)
