"""cryptolisting.ws: announcements of exchanges (listings, delistings, airdrops), pushed at once.

Source: cryptolisting.ws/docs (both versions), September 2026. It has a stream and no REST API, so it serves no polled
dataset. It has two hosts with separate limits; a key works with both.
"""

from __future__ import annotations

from typing import Any

from providers.base import Call, Plan, Provider
from providers.clean import text
from providers.protocols.cryptolisting import Session, closed, proven, refused
from providers.stream import Stream

_HEADER = "X-API-Key"

#: Heartbeats are 30 seconds apart. One may be lost; after two the connection is dead.
_SILENCE_SECONDS = 75.0


def _explain(body: Any) -> tuple[int | None, str]:
    """The `error` of a response; it has no numeric code."""
    return None, text(body.get("error")) if isinstance(body, dict) else ""


def _plan(name: str, stream_url: str) -> Plan:
    return Plan(name=name, base_url="", stream_url=stream_url, per_minute=0, per_month=0, header=_HEADER)


provider = Provider(
    name="cryptolisting",
    label="cryptolisting.ws",
    url="https://cryptolisting.ws/",
    order=500,
    plans=(
        _plan("tokyo", "wss://cryptolisting.ws"),  # Binance, Upbit and Bithumb
        _plan("seoul", "wss://kr.cryptolisting.ws"),  # Upbit, a little sooner
    ),
    endpoints=(),
    explain=_explain,
    codes={},
    probe=lambda _plan: Call("/"),
    proven=proven,
    key_hint="dsk_",
    stream=Stream(
        session=lambda _key: Session(),
        headers=lambda key: {_HEADER: key},
        refused=refused,
        closed=closed,
        silence_seconds=_SILENCE_SECONDS,
        brings=frozenset({"listings"}),
    ),
)
