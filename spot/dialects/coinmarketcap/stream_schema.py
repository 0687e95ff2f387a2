"""The JSON Schemas of CoinMarketCap's WebSocket as Spot serves it. Pure."""

from __future__ import annotations

from functools import cache

from spot.dialects.coinmarketcap.errors import CODES
from spot.dialects.interface import Channel, Form, Payload, pascal
from spot.dialects.schema import closed
from spot.feeds.params import Schema

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": "integer", "x-unit": "epoch ms"}
_NUMBER: Schema = {"type": ["number", "null"]}
_ID: Schema = {"type": ["integer", "string"]}
_TRUE: Schema = {"const": True}
_CHANNEL: Schema = {"type": "string", "pattern": "^(market|onchain)@[a-z_]+$"}
_VALUES = ("vu", "mc", "cs", "p24h", "p7d", "p30d", "p60d", "p3m", "p1y", "pytd", "pall", "fdv24h")


@cache
def frame_schemas() -> dict[str, Schema]:
    """The frames, by their `type`; `data` of prices and of on-chain events."""
    head: dict[str, Schema] = {"type": {"const": "data"}}
    tail: dict[str, Schema] = {"ts": {**_TIME, "description": "when it was sent"}, "simulated": _TRUE, "stale": _TRUE}
    price = closed({"cid": _COUNT, "p": {"type": "number"}, **dict.fromkeys(_VALUES, _NUMBER)})
    params = {
        "platform_id": _COUNT,
        "address": _TEXT,
        "pool_address": _TEXT,
        "wallet_address": _TEXT,
        "interval": _TEXT,
    }
    status = {
        "timestamp": _TEXT,
        "error_code": {"enum": [str(code) for code in CODES]},
        "category": {"enum": ["AUTH", "PROTOCOL", "SERVER"]},
        "error_message": _TEXT,
        "error_detail": _TEXT,
    }
    ack = {
        "type": {"const": "ack"},
        "id": _ID,
        "code": {"const": 0},
        "msg": {"const": "ok"},
        "channel": _CHANNEL,
        "crypto_ids": {"type": "array", "items": _COUNT},
        "duplicate": _TRUE,
        "sub_count": _COUNT,
        "sub_limit": _COUNT,
    }
    return {
        "welcome": closed({"type": {"const": "welcome"}, "ping_interval_ms": {**_COUNT, "x-unit": "ms"}}),
        "ack": closed(ack, optional=("id", "channel", "crypto_ids", "duplicate")),
        "pong": closed({"type": {"const": "pong"}, "id": _ID, "code": {"const": 0}, "ts": _TIME}, optional=("id",)),
        "error": closed({"type": {"const": "error"}, "id": _ID, "status": closed(status)}, optional=("id",)),
        "price": closed(
            {
                **head,
                "channel": {"const": "market@crypto_latest_price"},
                "params": closed({"crypto_ids": _COUNT}),
                "data": price,
                **tail,
            },
            optional=("simulated", "stale"),
        ),
        "refused": closed(
            {
                "type": {"const": "error"},
                "channel": _CHANNEL,
                "params": closed(params, optional=tuple(name for name in params if name != "platform_id")),
                "status": closed(status),
            }
        ),
        "event": closed(
            {
                **head,
                "channel": _CHANNEL,
                "params": closed(params, optional=tuple(name for name in params if name != "platform_id")),
                "data": {"type": "object"},
                **tail,
            },
            optional=("simulated", "stale"),
        ),
    }


def channel(path: str) -> Channel:
    """The socket as the contract has it."""
    frames = tuple(Payload(f"CoinMarketCap{pascal(kind)}", schema) for kind, schema in frame_schemas().items())
    message = {
        "id": _ID,
        "method": {"enum": ["subscribe", "unsubscribe", "unsubscribe_all", "ping"]},
        "channel": _CHANNEL,
        "params": {"type": "object"},
    }
    request = closed(message, optional=("id", "channel", "params"))
    return Channel(
        "CoinMarketCapStream",
        path,
        "CoinMarketCap's WebSocket: prices of single coins, and on-chain events",
        (Form("json", "frames by `type`; `price` and `event` are of the type `data`", {}, frames),),
        parameters={"type": "object", "properties": {}, "required": [], "additionalProperties": True},
        messages=(Payload("CoinMarketCapRequest", {**request, "additionalProperties": True}, "a request"),),
    )
