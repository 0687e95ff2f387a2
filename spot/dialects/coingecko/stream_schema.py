"""The JSON Schemas of CoinGecko's WebSocket as Spot serves it. Pure."""

from __future__ import annotations

from functools import cache

from spot.dialects.interface import Channel, Form, Payload, pascal
from spot.dialects.schema import closed
from spot.feeds.params import Schema

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": ["number", "null"]}
_SECONDS: Schema = {"type": "integer", "x-unit": "s"}
_TRUE: Schema = {"const": True}


@cache
def frame_schemas() -> dict[str, Schema]:
    """The frames, by their `type`; those without one as `price` and `answer`."""
    return {
        "welcome": closed({"type": {"const": "welcome"}}),
        "ping": closed({"type": {"const": "ping"}, "message": _SECONDS}),
        "pong": closed({"type": {"const": "pong"}}),
        "confirm_subscription": closed({"type": {"const": "confirm_subscription"}, "identifier": _TEXT}),
        "reject_subscription": closed({"type": {"const": "reject_subscription"}, "identifier": _TEXT}),
        "disconnect": closed({"type": {"const": "disconnect"}, "reason": _TEXT, "reconnect": {"type": "boolean"}}),
        "answer": closed({"code": {"type": "integer"}, "message": _TEXT}),
        "price": closed(
            {
                "c": {"const": "C1"},
                "i": _TEXT,
                "vs": _TEXT,
                "p": {"type": "number"},
                "pp": _NUMBER,
                "m": _NUMBER,
                "v": _NUMBER,
                "t": _SECONDS,
                "simulated": _TRUE,
                "stale": _TRUE,
            },
            optional=("simulated", "stale"),
        ),
    }


def channel(path: str) -> Channel:
    """The socket as the contract has it."""
    frames = tuple(Payload(f"CoinGecko{pascal(kind)}", schema) for kind, schema in frame_schemas().items())
    message = closed(
        {"command": {"enum": ["subscribe", "message", "unsubscribe"]}, "identifier": _TEXT, "data": _TEXT},
        optional=("data",),
    )
    return Channel(
        "CoinGeckoStream",
        path,
        "CoinGecko's WebSocket: prices of single coins",
        (Form("cable", "frames of Action Cable", {}, frames),),
        parameters={"type": "object", "properties": {}, "required": [], "additionalProperties": True},
        messages=(Payload("CoinGeckoMessage", message, "a command; `identifier` and `data` are JSON as text"),),
    )
