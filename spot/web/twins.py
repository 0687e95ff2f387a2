"""The HTTP twins: every feed at its path without `/ws`, for who wants one answer and not a stream.

Same parameters, same rows, same refusals; `ETag` for cheap polling, `format=csv`, freshness in headers.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from spot.clients.plans import Client
from spot.codes import Refused, bad_value
from spot.dialects.base import Dialect
from spot.dialects.csv_export import export_name
from spot.dialects.own import read_address
from spot.feeds import Feed
from spot.feeds.answer import Answer
from spot.feeds.view import View
from spot.hub.groups import Update
from spot.hub.hub import Hub
from spot.snapshots import now_ms
from spot.web.encodings import SHELF, preferred
from spot.web.exports import csv_of
from spot.web.novelty import admitted
from spot.web.public import charge, refusal
from spot.web.waiting import current

_FORMATS = ("json", "csv")


def twin(feed: Feed) -> Any:
    """The view of a feed's HTTP twin."""

    async def answer(request: HttpRequest) -> HttpResponse:
        query_string = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
        try:
            # First our own parser: past its bounds, Django's would answer with a page of HTML.
            view, dialect = read_address(feed, query_string, settings.SPOT_DEPTH, extra=("format",))
            form = _form(request.GET.get("format"))
            client: Client = request.scope["spot.client"]  # type: ignore[attr-defined]
            charge(client, _extra_cost(view, dialect, form))
            with admitted(client, view, dialect):
                update = await current(view, dialect, client.id)
            response = await _response(request, update, form)
        except Refused as refused:
            response = refusal(refused)
        return response

    answer.__name__ = feed.channel.replace("-", "_")
    answer.__doc__ = f"{feed.purpose[0].upper()}{feed.purpose[1:]}."
    return csrf_exempt(require_safe(answer))  # nothing is changed here, so another method gets 405 and not 403


#: What a request costs beyond one token, where its answer is not at hand: a question that nobody has asked lately, and
#: a text of up to 500 rows.
_NEW_QUESTION, _NEW_CSV = 3, 4
#: Digests of the questions asked lately, the oldest first.
_ASKED: OrderedDict[bytes, None] = OrderedDict()
_MOST_ASKED = 10_000


def _extra_cost(view: View, dialect: Dialect, form: str) -> int:
    """What answering a question takes, besides the request itself."""
    name = _digest(form, view.key, dialect)
    known = name in _ASKED
    _ASKED[name] = None
    _ASKED.move_to_end(name)
    if len(_ASKED) > _MOST_ASKED:
        _ASKED.popitem(last=False)
    if known or (form == "json" and (view.key, dialect) in Hub.current().groups):
        return 0
    return _NEW_QUESTION + (_NEW_CSV if form == "csv" else 0)


def _digest(*parts: object) -> bytes:
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).digest()


async def no_feed(_request: HttpRequest) -> HttpResponse:
    """Any other path where feeds are: the same refusal as on a socket."""
    return refusal(Refused("unknown_feed", "There is no feed at this path."))


async def upgrade_required(_request: HttpRequest) -> HttpResponse:
    """A socket's path asked over plain HTTP: most likely a proxy has dropped the header that makes it a socket."""
    response = refusal(
        Refused(
            "upgrade_required",
            "This path takes WebSockets only, and the request arrived without the header Upgrade: websocket. If a "
            "WebSocket client sent it, a proxy dropped the header. The proxy must pass Upgrade and Connection on, over "
            "HTTP/1.1; in nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
            "proxy_set_header Connection $connection_upgrade;",
            "Upgrade",
            "websocket",
        )
    )
    response["Upgrade"] = "websocket"
    return response


def _form(raw: str | None) -> str:
    if raw is not None and raw not in _FORMATS:
        raise bad_value("format", "json or csv", raw)
    return raw or "json"


async def _response(request: HttpRequest, update: Update, form: str) -> HttpResponse:
    tag = _etag(update, form)
    known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
    unchanged = bool(known & {"*", tag.removeprefix("W/")})
    response = HttpResponseNotModified() if unchanged else await _body(request, update, form, tag)
    patch_vary_headers(response, ["Accept-Encoding"])
    facts, now = update.facts, now_ms()
    response["ETag"] = tag
    response["Cache-Control"] = "no-cache"
    response["X-Spot-Source"] = facts.source
    response["X-Spot-Version"] = f"{facts.epoch}-{facts.version}"
    response["X-Spot-As-Of"] = "" if facts.as_of is None else str(facts.as_of)
    response["X-Spot-Fetched-At"] = str(facts.fetched_at)
    age = facts.age_ms(now)
    response["X-Spot-Age-Ms"] = "" if age is None else str(age)
    response["X-Spot-Stale"] = str(facts.stale(now)).lower()
    response["X-Spot-Simulated"] = str(facts.simulated).lower()
    response["X-Spot-Total"] = str(update.answer.page.total)
    if update.missing:
        response["X-Spot-Missing"] = ", ".join(map(quote, update.missing))
    return response


async def _body(request: HttpRequest, update: Update, form: str, tag: str) -> HttpResponse:
    if form == "json":
        body = update.full.payload
        response = HttpResponse(content_type="application/json")
    else:
        answer = Answer(update.answer.view.whole, update.answer.table)
        body = await csv_of(answer, update.facts.source, tag)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{export_name(answer.view)}"'
    if coding := preferred(request.headers.get("Accept-Encoding"), len(body)):
        body = await SHELF.encoded(tag, body, coding)
        response["Content-Encoding"] = coding
    response.content = body
    return response


def _etag(update: Update, form: str) -> str:
    """Equal while snapshot, freshness and question are equal: the question's key is its own best summary. It is a weak
    one, so that an answer has the same tag in every content coding."""
    facts = update.facts
    question = (form, update.answer.view.key, update.dialect)
    name = _digest(facts.epoch, facts.version, update.stale, question, update.missing)
    return f'W/"{name.hex()}"'
