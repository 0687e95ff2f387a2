"""The HTTP twins: every feed at its path without `/ws`, as one answer and not a stream.

Same parameters, same rows, same refusals; `ETag` for cheap polling, `format=csv`, freshness in headers.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from urllib.parse import quote

from django.conf import settings

from spot.clients.plans import Client
from spot.codes import Refused, bad_value
from spot.dialects import own_interface
from spot.dialects.base import Dialect
from spot.dialects.csv_export import export_name
from spot.dialects.interface import Operation, Outcome, pascal
from spot.dialects.own import read_address
from spot.dialects.schema import parameters_schema
from spot.feeds import Feed
from spot.feeds.answer import Answer
from spot.feeds.view import View
from spot.hub.hub import Hub
from spot.hub.update import Update
from spot.snapshots import now_ms
from spot.web.answers import Headers, Request, Response, matches, parameter, refusal
from spot.web.encodings import SHELF, preferred
from spot.web.exports import csv_of
from spot.web.headers import HEADERS, IF_NONE_MATCH
from spot.web.novelty import check_channel
from spot.web.public import charge
from spot.web.remembered import Remembered
from spot.web.waiting import LARGEST_PAGE, current

_FORMATS = ("json", "csv")
_FORMAT = {"type": "string", "enum": list(_FORMATS), "default": "json", "description": "csv: the whole range as a file"}
_VARY = b"Accept-Encoding, Origin"


def operation(feed: Feed) -> Operation:
    """The interface of `answer`."""
    parameters = parameters_schema(feed)
    headers = tuple(header for header in HEADERS.values() if header.name not in ("Retry-After", "WWW-Authenticate"))
    return Operation(
        id=f"get{pascal(feed.channel)}",
        summary=feed.purpose,
        tag="feeds",
        answers=(
            Outcome(200, "the newest state", own_interface.bodies(feed), headers),
            Outcome(304, "unchanged since the `ETag` in `If-None-Match`", (), headers),
        ),
        parameters={**parameters, "properties": {**parameters["properties"], "format": _FORMAT}},
        errors=own_interface.errors(feed),
        sends=(IF_NONE_MATCH,),
    )


async def answer(feed: Feed, request: Request) -> Response:
    """The newest state of a feed, as the query string asks for it."""
    try:
        question = _question(request.query_string, feed, settings.SPOT_DEPTH)
        check(question, request.client)
        update = await current(question.view, question.dialect, request.client)
        return await respond(question, update, request)
    except Refused as refused:
        return refusal(refused)


async def no_feed(_request: Request) -> Response:
    """Any other path where feeds are: the same refusal as on a socket."""
    return refusal(Refused("unknown_feed", "There is no feed at this path."))


async def upgrade_required(dialect: Dialect, _request: Request) -> Response:
    """A socket's path asked over plain HTTP: most likely a proxy has dropped the header that makes it a socket. Said in
    the words of its protocol."""
    refused = Refused(
        "upgrade_required",
        "This path takes WebSockets only, and the request arrived without the header Upgrade: websocket. If a "
        "WebSocket client sent it, a proxy dropped the header. The proxy must pass Upgrade and Connection on, over "
        "HTTP/1.1; in nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        "proxy_set_header Connection $connection_upgrade;",
        "Upgrade",
        "websocket",
    )
    answer, (status, body) = refusal(refused), dialect.http_refusal(refused, now_ms())
    return answer._replace(status=status, headers=[*answer.headers, (b"Upgrade", b"websocket")], body=body)


# --- the question -----------------------------------------------------------------------------------------------------


class Question:
    """A view, its dialect, and the form of the answer."""

    def __init__(self, view: View, dialect: Dialect, form: str = "json") -> None:
        self.view = view
        self.dialect = dialect
        self.form = form
        #: Its name among all questions.
        self.name = _digest(repr((form, view.key, dialect)))


def _read(query_string: bytes, feed: Feed, depth: int) -> Question:
    view, dialect = read_address(feed, query_string, depth, extra=("format",))
    form = parameter(query_string, "format")
    if form is not None and form not in _FORMATS:
        raise bad_value("format", "json or csv", form)
    return Question(view, dialect, form or "json")


_question = Remembered(_read)


def check(question: Question, client: Client, base: int = 0) -> None:
    """Charge a client for a question, `base` besides what it costs beyond a request. Raises `Refused`, also where its
    plan does not have the feed."""
    check_channel(client, question.view)
    if cost := base + _extra_cost(question):
        charge(client, cost)


#: The cost of a request beyond one token, where its answer is not at hand: a question that nobody has asked lately, and
#: a text of up to 500 rows.
NEW_QUESTION, _NEW_CSV = 3, 4
#: Digests of the questions asked lately, the oldest first.
_ASKED: OrderedDict[bytes, None] = OrderedDict()
_MOST_ASKED = 10_000


def _extra_cost(question: Question) -> int:
    """The cost of answering a question, besides the request itself."""
    known = question.name in _ASKED
    _ASKED[question.name] = None
    _ASKED.move_to_end(question.name)
    if len(_ASKED) > _MOST_ASKED:
        _ASKED.popitem(last=False)
    if known or (question.form == "json" and (question.view.key, question.dialect) in Hub.current().groups):
        return 0
    return NEW_QUESTION + (_NEW_CSV if question.form == "csv" else 0)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


# --- the answer -------------------------------------------------------------------------------------------------------


async def respond(question: Question, update: Update, request: Request) -> Response:
    """The answer to a question, as the request's headers want it."""
    tag, lasting = _head(question, update)
    now, facts = now_ms(), update.facts
    age = facts.age_ms(now)
    headers = [
        *lasting,
        (b"X-Spot-Age-Ms", b"" if age is None else b"%d" % age),
        (b"X-Spot-Stale", b"true" if age is None or age > facts.max_age_ms else b"false"),
    ]
    asked = request.header(b"if-none-match")
    if asked is not None and matches(asked, tag):
        return Response(304, headers, b"", _VARY)
    if question.form == "json":
        body = await _shared(tag, update.full.payload)
        headers.append((b"Content-Type", b"application/json"))
    else:
        rows = Answer(update.answer.view.whole, update.answer.table)
        body = await csv_of(rows, update.facts.source, tag)
        headers.append((b"Content-Type", b"text/csv; charset=utf-8"))
        name = export_name(rows.view).encode()
        headers.append((b"Content-Disposition", b'attachment; filename="%b"' % name))
    if coding := preferred(request.header(b"accept-encoding"), len(body)):
        body = await SHELF.encoded(tag, body, coding)
        headers.append((b"Content-Encoding", coding.encode()))
    return Response(200, headers, body, _VARY)


async def _shared(tag: str, body: bytes) -> bytes:
    """A large body once for all who are sent it: slow readers hold it in memory until they have taken it."""

    async def make() -> bytes:
        return body

    return body if len(body) <= LARGEST_PAGE else await SHELF.get(tag, make)


#: The entity tag of each page's answers, and the headers that hold as long as the page does, by the question's name.
_HEADS: weakref.WeakKeyDictionary[Update, dict[bytes, tuple[str, Headers]]] = weakref.WeakKeyDictionary()


def _head(question: Question, update: Update) -> tuple[str, Headers]:
    heads = _HEADS.get(update)
    if heads is None:
        heads = _HEADS[update] = {}
    if question.name not in heads:
        heads[question.name] = _new_head(question, update)
    return heads[question.name]


def _new_head(question: Question, update: Update) -> tuple[str, Headers]:
    """A tag is equal while snapshot, freshness and question are equal. It is a weak one, so that an answer has the same
    tag in every content coding."""
    facts = update.facts
    state = _digest(f"{facts.epoch} {facts.version} {update.stale} {question.name!r} {update.missing!r}")
    tag = f'W/"{state.hex()}"'
    texts = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "X-Spot-Source": facts.source,
        "X-Spot-Version": f"{facts.epoch}-{facts.version}",
        "X-Spot-As-Of": "" if facts.as_of is None else str(facts.as_of),
        "X-Spot-Fetched-At": str(facts.fetched_at),
        "X-Spot-Simulated": str(facts.simulated).lower(),
        "X-Spot-Total": str(update.answer.page.total),
    }
    if update.missing:
        texts["X-Spot-Missing"] = ", ".join(map(quote, update.missing))
    return tag, [(header.encode(), text.encode("latin-1")) for header, text in texts.items()]
