"""Answers of CoinGecko that are passed on: one call for everybody, and what this client wants cut from it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from providers.protocols.coingecko import request
from spot.codes import Refused
from spot.dialects.coingecko.asked import Asked
from spot.dialects.rest import Pages, Reading, Reply, pages_of
from spot.feeds.document import DOCUMENT, content
from spot.feeds.view import View, view_of
from spot.query.jsontext import dumps

#: Takes from a body what a client does not want.
Cut = Callable[[Any, Asked], Any]


def document(asked: Asked, path: str, params: dict[str, str]) -> View:
    """The view of a document. Raises `Refused` where the provider would refuse the parameters."""
    try:
        name = request(path, params).name
    except ValueError as error:
        raise _mistaken(str(error)) from error
    return view_of(DOCUMENT, {"document": name}, asked.depth)


def _mistaken(message: str) -> Refused:
    path, _, missing = message.partition(" needs ")
    if missing:
        return Refused("missing_field", f"{missing} is required.", missing)
    if path.startswith("vs_currency"):
        return Refused("unknown_currency", "vs_currency: there is no such currency.", "vs_currency")
    if message.endswith("is no document"):
        return Refused("unknown_coin", message)
    return Refused("bad_value", message)


def passed(*takes: str, seconds: int = 60, cut: Cut | None = None) -> Callable[[Asked], Reading]:
    """What reads a path whose answer is passed on, with the parameters that upstream takes too."""

    def read(asked: Asked) -> Reading:
        params = {name: asked.parameters.text(name) for name in takes}
        return whole(asked, document(asked, asked.path, params), seconds, cut)

    return read


def whole(asked: Asked, view: View, seconds: int = 60, cut: Cut | None = None) -> Reading:
    """The reading of a document: its body, or what `cut` makes of it; a refusal of the provider as it is."""

    def write(pages: Pages) -> Reply:
        status, body = answered(pages)
        total = pages_of(pages)[0].facts.meta.get("total")
        headers = () if total is None else (("total", str(total)),)
        if status == 200 and cut is not None:
            return Reply(dumps(cut(orjson.loads(body), asked)), headers=headers)
        return Reply(body, status, headers)

    return Reading((view,), write, seconds)


def answered(pages: Pages) -> tuple[int, bytes]:
    """Status and body of a document. Raises `Refused`."""
    status, body = content(pages_of(pages)[0].answer.table)
    return status, body.encode()


# --- cuts -------------------------------------------------------------------------------------------------------------

#: The parts of a coin that a switch leaves out, and whether they are there if nothing is said.
_SWITCHES = {
    "localization": ("localization", True),
    "tickers": ("tickers", True),
    "market_data": ("market_data", True),
    "community_data": ("community_data", True),
    "developer_data": ("developer_data", True),
    "include_categories_details": ("categories_details", False),
}


def cut_coin(coin: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """The parts of a coin that are wanted."""
    for switch, (part, usual) in _SWITCHES.items():
        if not asked.parameters.truth(switch, default=usual):
            coin.pop(part, None)
    if "localization" not in coin and "en" in coin.get("description", ()):
        coin["description"] = {"en": coin["description"]["en"]}
    if not asked.parameters.truth("sparkline") and isinstance(coin.get("market_data"), dict):
        coin["market_data"].pop("sparkline_7d", None)
    return coin


def cut_history(day: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """A day of a coin, without translations where they are not wanted."""
    if not asked.parameters.truth("localization", default=True):
        day.pop("localization", None)
    return day


def history(asked: Asked) -> Reading:
    """`/coins/{id}/history`; the date in either of the two forms that are documented."""
    date = asked.need("date")
    try:
        date = datetime.strptime(date, "%Y-%m-%d").strftime("%d-%m-%Y") if date[:4].isdecimal() else date
    except ValueError as error:
        raise Refused("bad_value", "date: a day such as 30-12-2025, or 2025-12-30", "date") from error
    return whole(asked, document(asked, asked.path, {"date": date}), 1800, cut_history)
