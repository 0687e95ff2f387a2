"""The feeds as tools for language models: what each is called, takes and answers. It knows no protocol.

A model reads every row that it is given. So a tool shows fewer than a feed, and no charts, unless it is asked to.
Each answer says in words how old the data are, where they came from, and whether they are simulated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from django.conf import settings

from providers.facts import Facts
from spot.clients.plans import Client
from spot.codes import Refused, bad_value
from spot.dialects.envelope import Envelope
from spot.dialects.schema import answer_schema, closed, parameters_schema
from spot.feeds import FEEDS, Feed
from spot.feeds.params import Schema
from spot.feeds.view import check_names, parameter_names, view_of
from spot.hub.hub import Hub
from spot.snapshots import now_ms
from spot.web import lookups, status
from spot.web.answers import Request, Response
from spot.web.novelty import check_channel
from spot.web.public import charge
from spot.web.twins import NEW_QUESTION
from spot.web.waiting import current

#: What a tool asks for where its caller says nothing.
DEFAULTS: Mapping[str, object] = {"page_size": 20, "sparkline": False}
_DIALECT = Envelope()
_ADDED: dict[str, Schema] = {
    "freshness": {"type": "string", "description": "how old the data are, from whom, and whether they are simulated"},
    "age_ms": {"type": ["integer", "null"], "minimum": 0},
}


class Tool(NamedTuple):
    """One tool. `answer` is None where its answers have no schema."""

    name: str
    description: str
    parameters: Schema
    answer: Schema | None
    call: Callable[[Client, dict[str, Any]], Awaitable[dict[str, Any]]]


def tools() -> dict[str, Tool]:
    """All tools by their names."""
    made = [*(_of_feed(feed) for feed in FEEDS.values()), _FIND_COINS, _SOURCES]
    return {tool.name: tool for tool in made}


# --- feeds ------------------------------------------------------------------------------------------------------------


def _of_feed(feed: Feed) -> Tool:
    parameters = parameters_schema(feed, modes=False)
    properties = {
        name: {**schema, "default": DEFAULTS[name]} if name in DEFAULTS else schema
        for name, schema in parameters["properties"].items()
    }
    answer = answer_schema(feed, _DIALECT)
    return Tool(
        feed.channel.replace("-", "_"),
        f"{feed.purpose[0].upper()}{feed.purpose[1:]}. Filters, search, sorting and paging happen on the server; "
        "`total` is the number of all rows. Tell your user what `freshness` says.",
        {**parameters, "properties": properties},
        {**answer, "properties": {**_ADDED, **answer["properties"]}, "required": [*_ADDED, *answer["required"]]},
        partial(_ask, feed),
    )


async def _ask(feed: Feed, client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    check_names(feed, arguments, ())
    names = parameter_names(feed)
    given = {name: value for name, value in arguments.items() if value is not None}
    view = view_of(feed, {name: DEFAULTS[name] for name in DEFAULTS if name in names} | given, settings.SPOT_DEPTH)
    check_channel(client, view)
    if (view.key, _DIALECT) not in Hub.current().groups:
        charge(client, NEW_QUESTION)
    update = await current(view, _DIALECT, client)
    now = now_ms()
    body: dict[str, Any] = orjson.loads(update.full.payload)
    return {"freshness": freshness(update.facts, now), "age_ms": update.facts.age_ms(now)} | body


def freshness(facts: Facts, now: int) -> str:
    """How old data are, from whom, and whether they are simulated, in a sentence or two."""
    age = facts.age_ms(now)
    old = "of unknown age" if age is None else f"{age / 1000:.0f} s old"
    state = "STALE" if facts.stale(now) else "Live"
    words = f"{state}: {old}, from {facts.label}."
    return f"{words} SIMULATED: these are not real prices." if facts.simulated else words


# --- lookups ----------------------------------------------------------------------------------------------------------


async def _find_coins(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    search = arguments.pop("search", None)
    _check_nothing_left(arguments, "search")
    if not isinstance(search, str) or not search:
        raise bad_value("search", "a symbol, a name, or a part of them")
    return _json(await lookups.coins(Request("GET", urlencode({"q": search}).encode(), {}, client)))


async def _sources(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    _check_nothing_left(arguments)
    return _json(await status.facts(Request("GET", b"", {}, client)))


def _check_nothing_left(arguments: dict[str, Any], *allowed: str) -> None:
    for name in arguments:
        raise Refused("unknown_field", f"This tool takes no {name[:40]!r}.", name[:40], ", ".join(allowed) or "nothing")


def _json(answer: Response) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(answer.body)
    if answer.status != 200:
        raise Refused(body["code"], body["message"])
    return body


_FIND_COINS = Tool(
    "find_coins",
    "Find the ids of coins by symbol or name. The other tools take ids, such as bitcoin, and no symbols.",
    closed({"search": {"type": "string", "minLength": 1, "description": "a symbol, a name, or a part of them"}}),
    None,
    _find_coins,
)
_SOURCES = Tool(
    "sources",
    "Where the data of this site come from at the moment, how old each kind is, and whether the market is simulated.",
    closed({}),
    None,
    _sources,
)
