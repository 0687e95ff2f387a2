"""The door for HTTP protocols of other vendors (`spot.dialects.rest`): requests in, answers in that vendor's words out.

Each costs what a request to our own paths costs. An answer is written once for as long as its pages stand, and pages
of any site may read it: it is for whoever has the key, and nothing else in a request says who is asking.
"""

from __future__ import annotations

import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

from django.conf import settings

from spot.clients.plans import Client
from spot.clients.protocols import PREFIX, protocol_of, uses
from spot.clients.usage import usage
from spot.codes import Refused
from spot.dialects import rests
from spot.dialects.rest import JSON, ROWS, Account, Reading, Reply, Rest, segments
from spot.hub.update import Update
from spot.metrics import REFUSALS, increment
from spot.snapshots import now_ms
from spot.web.answers import Headers, Request, Response, matches
from spot.web.encodings import SHELF, preferred
from spot.web.remembered import Remembered
from spot.web.waiting import LARGEST_PAGE, together

#: The methods that are served; a POST is answered as a GET, as clients behind a proxy of their own send it.
METHODS = ("GET", "HEAD", "POST")
#: For so many seconds browsers keep an answer, as upstream tells them to.
_FRESH_SECONDS = 30
_VARY = b"Accept-Encoding"
_UNSHARED: Headers = [(b"Content-Type", JSON.encode()), (b"Cache-Control", b"no-store")]
_FACTS = ("x-spot-as-of", "x-spot-source", "x-spot-stale", "x-spot-simulated")
Updates = tuple[Update | Refused, ...]
_RESTS = sorted(rests(), key=lambda rest: len(rest.root), reverse=True)
_OF_VENDORS = {protocol_of(f"/{rest.root}"): rest for rest in _RESTS}


def rest_at(path: str) -> Rest | None:
    """The protocol that serves a path; where none does, the one of the same vendor, which says so in its words."""
    for rest in _RESTS if path.startswith(PREFIX) else ():
        if _is_below(path, rest):
            return rest
    return _OF_VENDORS.get(protocol_of(path))


def _is_below(path: str, rest: Rest) -> bool:
    return path.startswith(rest.root, 1) and path[len(rest.root) + 1 :][:1] in ("", "/")


def _read(query_string: bytes, rest: Rest, path: str, depth: int) -> Reading:
    if not _is_below(path, rest):
        raise Refused("unknown_feed", f"There is no endpoint at this path. All are below /{rest.root}.")
    return rest.read(segments(path[len(rest.root) + 1 :]), query_string, depth)


#: Lists of ids are long, and programs ask for the same again and again.
_reading = Remembered(_read, longest=4096, most=512)


async def answer(rest: Rest, path: str, request: Request) -> Response:
    """The answer to a request. Raises `Refused`."""
    if request.method not in METHODS:
        raise Refused("bad_message", f"This path takes {', '.join(METHODS)}.")
    protocol = protocol_of(path)
    uses.count(protocol, "calls")
    reading = _reading(request.query_string, rest, path, settings.SPOT_DEPTH)
    if reading.personal is not None:
        reply = reading.personal(_account(request.client))
        return Response(reply.status, [*_UNSHARED, *_own(reply)], rest.finished(reply.body, now_ms()), _VARY)
    waits = list[None]()
    try:
        written, updates = await _written(reading, request.client, partial(waits.append, None))
    finally:
        if waits:
            uses.count(protocol, "waited")
    now = now_ms()
    private = request.client.key is not None
    sharing = f"max-age={_FRESH_SECONDS}, {'private' if private else 'public'}, must-revalidate"
    headers: Headers = [
        (b"Content-Type", JSON.encode()),
        (b"Cache-Control", f"{sharing}, s-maxage={reading.fresh_seconds}".encode()),
        (b"ETag", written.tag.encode()),
        *_facts(updates, now),
        *_own(written.reply),
    ]
    asked = request.header(b"if-none-match")
    if asked is not None and written.reply.status == 200 and matches(asked, written.tag):
        return Response(304, headers, b"", _VARY)
    body = rest.finished(written.reply.body, now)
    if coding := preferred(request.header(b"accept-encoding"), len(body)):
        if body is written.reply.body:
            body = await SHELF.encoded(written.tag, body, coding)
        else:
            body = await SHELF.compress(body, coding)
        headers.append((b"Content-Encoding", coding.encode()))
    return Response(written.reply.status, headers, body, _VARY)


def refusal(rest: Rest, refused: Refused) -> Response:
    """A refusal in the protocol's words."""
    increment(REFUSALS, "compat", refused.code)
    reply = rest.refuse(refused, now_ms())
    return Response(reply.status, [*_UNSHARED, *_own(reply)], reply.body, _VARY)


@cache
def sharing(rest: Rest) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that let pages of any site read an answer."""
    exposed = (
        "ETag",
        "Retry-After",
        *rest.exposed,
        *(f"x-spot-{name}" for name in ("as-of", "source", "stale", "simulated", "missing")),
    )
    return (
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Access-Control-Expose-Headers", ", ".join(exposed).encode()),
    )


def preflight(rest: Rest) -> Response:
    """The answer to a browser that asks first."""
    sent = ("Accept", "Authorization", "Content-Type", "If-None-Match", "X-API-Key", *rest.sent)
    allow = ", ".join((*METHODS, "OPTIONS")).encode()
    headers = [
        (b"Allow", allow),
        (b"Access-Control-Allow-Methods", allow),
        (b"Access-Control-Allow-Headers", ", ".join(sent).encode()),
        (b"Access-Control-Max-Age", b"7200"),
    ]
    return Response(204, headers, b"", _VARY)


# --- written once -----------------------------------------------------------------------------------------------------


class _Written(NamedTuple):
    """An answer with the pages that it was written of, or what was to be asked next."""

    pages: tuple[weakref.ref[Update] | Refused, ...]
    reply: Reply
    tag: str
    next: Reading | None = None

    def is_of(self, updates: Updates) -> bool:
        """Whether it was written of these pages, and not of others."""
        return len(self.pages) == len(updates) and all(
            (page() if isinstance(page, weakref.ref) else page) is update
            for page, update in zip(self.pages, updates, strict=True)
        )


class _Answers:
    """The newest answer of each reading, the oldest first, and so many bytes of them. They hold no page: a page keeps a
    whole snapshot in memory."""

    MOST_BYTES = 32 * 1024 * 1024

    def __init__(self) -> None:
        self._answers: OrderedDict[Reading, _Written] = OrderedDict()
        self._bytes = 0

    def get(self, reading: Reading, updates: Updates) -> _Written | None:
        """The answer to a reading, if these are the pages that it was written of."""
        written = self._answers.get(reading)
        return written if written is not None and written.is_of(updates) else None

    def keep(self, reading: Reading, written: _Written) -> None:
        """Keep an answer in place of the reading's former one."""
        self._drop(reading)
        self._answers[reading] = written
        self._bytes += len(written.reply.body) + _OVERHEAD
        while self._bytes > self.MOST_BYTES:
            self._drop(next(iter(self._answers)))

    def _drop(self, reading: Reading) -> None:
        if (written := self._answers.pop(reading, None)) is not None:
            self._bytes -= len(written.reply.body) + _OVERHEAD


_NOTHING = Reply(b"")
#: What an answer costs beside its body.
_OVERHEAD = 4096
_answers = _Answers()


async def _written(reading: Reading, client: Client, on_wait: Callable[[], None]) -> tuple[_Written, Updates]:
    """The answer to a reading, of its newest pages, and these. `on_wait` as of `together`."""
    updates = tuple(await together([(view, ROWS) for view in reading.views], client, partly=True, on_wait=on_wait))
    if (written := _answers.get(reading, updates)) is None:
        written = await _write(reading, updates)
        _answers.keep(reading, written)
    return (written, updates) if written.next is None else await _written(written.next, client, on_wait)


async def _write(reading: Reading, updates: Updates) -> _Written:
    reply = reading.write(updates)
    pages = tuple(update if isinstance(update, Refused) else weakref.ref(update) for update in updates)
    if isinstance(reply, Reading):
        return _Written(pages, _NOTHING, "", reply)
    tag = _tag(reply)
    if len(reply.body) > LARGEST_PAGE:
        reply = reply._replace(body=await SHELF.get(tag, partial(_itself, reply.body)))
    return _Written(pages, reply, tag)


def _account(client: Client) -> Account:
    plan = client.plan
    used = 0 if client.key is None else usage.spent(client.key) // 1000
    name = "anonymous" if client.key is None else "key"
    return Account(name, plan.requests_per_minute, plan.credits_per_month, used)


async def _itself(body: bytes) -> bytes:
    return body


def _tag(reply: Reply) -> str:
    """A weak tag, so that an answer has the same in every content coding."""
    digest = hashlib.blake2b(reply.body, digest_size=12)
    digest.update(repr((reply.status, reply.headers)).encode())
    return f'W/"{digest.hexdigest()}"'


def _own(reply: Reply) -> Headers:
    return [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]


def _facts(updates: Sequence[Update | Refused], now: int) -> Headers:
    """Where the data come from, and how old the oldest of them are."""
    facts = [update.facts for update in updates if isinstance(update, Update)]
    if not facts:
        return []
    times = [one.as_of for one in facts]
    as_of = "" if None in times else str(min(time for time in times if time is not None))
    stale = any((age := one.age_ms(now)) is None or age > one.max_age_ms for one in facts)
    sources = ",".join(dict.fromkeys(one.source for one in facts))
    simulated = any(one.simulated for one in facts)
    texts = as_of, sources, str(stale).lower(), str(simulated).lower()
    return [(name.encode(), text.encode("latin-1")) for name, text in zip(_FACTS, texts, strict=True)]
