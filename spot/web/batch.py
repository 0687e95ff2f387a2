"""Several views in one request: each is answered as its own request would be, and those of one dataset at one version.

A view that is refused fails alone. Each is paid for as its own request would be.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import NamedTuple

from django.conf import settings

from spot.codes import Refused
from spot.dialects import batch
from spot.dialects.batch import Part, Wanted, placed
from spot.dialects.interface import Operation, Outcome
from spot.hub.update import Update
from spot.web.answers import Request, Response, refusal
from spot.web.encodings import SHELF, preferred
from spot.web.headers import BALANCE
from spot.web.public import charge
from spot.web.twins import Question, check, respond
from spot.web.waiting import together

#: Of each answer, the headers that the whole has.
_OF_THE_WHOLE = (b"Content-Type", b"Cache-Control")
_TOO_LARGE = (
    f"The answers of a batch may have {batch.MAX_ANSWER:,} bytes together, and this one of {{:,}} does not fit. "
    "Ask for fewer rows, or for this view by itself."
)
OPERATION = Operation(
    id="postBatch",
    summary=f"up to {batch.MAX_VIEWS} views in one answer, those of one dataset at one version",
    tag="feeds",
    answers=(Outcome(200, "the answers; a view that is refused fails alone", (batch.answer(),), BALANCE),),
    errors=("bad_message", "unknown_field", "bad_value", "key_required"),
    method="post",
    body=batch.request(),
)


async def answer(request: Request) -> Response:
    """The answers to the views in the body. Raises `Refused` where the whole cannot be read."""
    asked = [
        _asked(wanted, place, request) for place, wanted in enumerate(batch.read(request.body, settings.SPOT_DEPTH))
    ]
    views = [(one.question.view, one.question.dialect) for one in asked if isinstance(one, _Asked)]
    pages = iter(await together(views, request.client))
    parts: list[Part] = []
    room = batch.MAX_ANSWER
    for place, one in enumerate(asked):
        try:
            parts.append(await _part(one, next(pages) if isinstance(one, _Asked) else one, f"views[{place}]", room))
        except Refused as refused:
            answered = refusal(refused)
            parts.append(Part(answered.status, _own_headers(answered), answered.body))
        room -= len(parts[-1].body)
        await asyncio.sleep(0)  # others are served between two answers
    body = batch.write(parts)
    headers = [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")]
    if coding := preferred(request.header(b"accept-encoding"), len(body)):
        body = await SHELF.compress(body, coding)
        headers.append((b"Content-Encoding", coding.encode()))
    return Response(200, headers, body, b"Accept-Encoding, Origin")


class _Asked(NamedTuple):
    """A view that has been paid for, and the request that it would have been."""

    question: Question
    request: Request


def _asked(wanted: Wanted | Refused, place: int, request: Request) -> _Asked | Refused:
    """Charge the client for a view. The request for the batch has paid for the first."""
    base = 1 if place else 0
    try:
        if isinstance(wanted, Refused):
            charge(request.client, base)
            return wanted
        question = Question(wanted.view, wanted.dialect)
        check(question, request.client, base)
    except Refused as refused:
        return refused
    headers = {} if wanted.tag is None else {b"if-none-match": wanted.tag.encode("latin-1", "replace")}
    return _Asked(question, replace(request, method="GET", headers=headers))


async def _part(asked: _Asked | Refused, page: Update | Refused, place: str, room: int) -> Part:
    """The answer to one view, of at most `room` bytes. Raises `Refused`."""
    if isinstance(asked, Refused):
        raise asked
    if isinstance(page, Refused):
        raise placed(page, place)
    answered = await respond(asked.question, page, asked.request)
    if len(answered.body) > room:
        raise placed(Refused("bad_value", _TOO_LARGE.format(len(answered.body)), "page_size"), place)
    return Part(answered.status, _own_headers(answered), answered.body)


def _own_headers(response: Response) -> dict[str, str]:
    named = (pair for pair in response.headers if pair[0] not in _OF_THE_WHOLE)
    return {name.decode(): value.decode("latin-1") for name, value in named}
