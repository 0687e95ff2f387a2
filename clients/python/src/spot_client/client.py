"""The asynchronous client."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from weakref import WeakSet

import httpx
from typing_extensions import Self

from spot_client.address import Server, given
from spot_client.errors import Refused, Unreachable, from_answer, from_frame, wait_of
from spot_client.following import Tail, Tasks, Watch
from spot_client.models import Feed, Head, Value
from spot_client.page import Clock, Page, Table
from spot_client.retrying import delay
from spot_client.signatures import AsyncFeeds
from spot_client.sockets import OwnSockets
from spot_client.streaming import Stream

#: Answers that are kept for their ETag.
_KEPT = 64


_NO_ANSWER = "The answer is not one of a Spot server."


class _Kept(NamedTuple):
    etag: str
    page: Page[Any]


class _Question(NamedTuple):
    feed: str
    params: dict[str, Any]


class Client(AsyncFeeds):
    """A client of the server at `url`, such as `https://spot.example.org`; `key` goes with each request in `X-API-Key`.

    `patience`: seconds for which a request over HTTP is repeated while the server cannot be reached or asks to come
    back. Use it in one event loop: `async with Client(url) as client`.
    """

    def __init__(self, url: str, key: str | None = None, *, patience: float = 30.0) -> None:
        self._server = Server(url, key)
        self._patience = patience
        self._clock = Clock()
        self._http = httpx.AsyncClient(headers=self._server.headers, timeout=httpx.Timeout(15.0, connect=10.0))
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._sockets = OwnSockets(self._server)
        self._streams: WeakSet[Stream] = WeakSet()
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Client({self._server.url!r})"

    async def aclose(self) -> None:
        """End all connections."""
        for stream in list(self._streams):
            await stream.aclose()
        await self._tasks.end_all()
        await self._http.aclose()

    def stream(self) -> Stream:
        """One socket for many views: `watch` and `tail` of what it returns share the connection."""
        stream = Stream(self._server, self._clock)
        self._streams.add(stream)
        return stream

    async def batch(self, views: Sequence[tuple[Feed, Mapping[str, Value]]]) -> list[Page[Any] | Refused]:
        """Up to 20 views in one request, each a feed and its parameters; the answers have the same order. Views of one
        dataset show the same version of it. In the place of a view that is refused stands its `Refused`.

        Raises `SpotError` when the request as a whole fails."""
        deadline = time.monotonic() + self._patience
        questions = [_Question(feed, given({**params, "envelope": True})) for feed, params in views]
        answers: dict[int, Page[Any] | Refused] = {}
        places, attempt = list(range(len(questions))), 0
        while True:
            parts = await self._batch([questions[place] for place in places], deadline)
            answers |= zip(places, parts, strict=True)
            later = {place: one for place, one in answers.items() if isinstance(one, Refused) and one.retry}
            pause = delay(attempt, max((one.retry_after or 0.0 for one in later.values()), default=0.0))
            if not later or time.monotonic() + pause > deadline:
                return [answers[place] for place in range(len(questions))]
            await asyncio.sleep(pause)
            places, attempt = list(later), attempt + 1

    # --- what the signatures call ------------------------------------------------------------------------------------

    async def _get(self, feed: str, params: Mapping[str, Any]) -> Page[Any]:
        url = self._server.http(feed, {**params, "envelope": True})
        kept = self._kept.get(url)
        answer, asked_ms = await self._ask("GET", url, {"If-None-Match": kept.etag} if kept else {})
        body = None if answer.status_code == 304 else _json(answer)
        return self._page(url, kept, body, answer.headers, asked_ms)

    async def _csv(self, feed: str, params: Mapping[str, Any]) -> str:
        answer, _ = await self._ask("GET", self._server.http(feed, {**params, "format": "csv"}))
        return answer.text

    def _watch(self, feed: str, params: Mapping[str, Any]) -> Watch[Any]:
        return Watch(self._sockets, feed, params, self._clock, self._tasks)

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> Tail[Any]:
        return Tail(self._sockets, feed, params, self._clock, self._tasks, last=last, since=since)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        deadline: float | None = None,
    ) -> tuple[httpx.Response, float]:
        """The answer, 200 or 304, and when it was asked for; repeated while that may help, until `deadline`."""
        deadline = time.monotonic() + self._patience if deadline is None else deadline
        attempt = 0
        while True:
            asked_ms = time.time() * 1000
            try:
                answer = await self._http.request(method, url, headers=headers, json=body)
                if answer.status_code in (200, 304):
                    return answer, asked_ms
                error = from_answer(answer.status_code, answer.content, answer.headers.get("Retry-After"))
            except httpx.TransportError as failure:
                words = (str(failure) or type(failure).__name__).rstrip(".")
                error = Unreachable(f"{self._server.url} cannot be reached: {words}.")
            pause = delay(attempt, (isinstance(error, Refused) and error.retry_after) or 0.0)
            if not error.retry or time.monotonic() + pause > deadline:
                raise error
            await asyncio.sleep(pause)
            attempt += 1

    async def _batch(self, questions: Sequence[_Question], deadline: float) -> list[Page[Any] | Refused]:
        """The answers to one request for several views."""
        urls = [self._server.http(*question) for question in questions]
        kept = [self._kept.get(url) for url in urls]
        tags = [{} if one is None else {"if_none_match": one.etag} for one in kept]
        views = [{**question._asdict(), **tag} for question, tag in zip(questions, tags, strict=True)]
        answer, asked_ms = await self._ask("POST", self._server.batch, body={"views": views}, deadline=deadline)
        try:
            parts = _json(answer)["views"]
            return [self._part(*part, asked_ms) for part in zip(urls, kept, parts, strict=True)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreachable(_NO_ANSWER) from error

    def _part(self, url: str, kept: _Kept | None, part: dict[str, Any], asked_ms: float) -> Page[Any] | Refused:
        headers, status = httpx.Headers(part["headers"]), part["status"]
        if status not in (200, 304):
            return from_frame(part["body"], status, wait_of(headers.get("Retry-After")))
        return self._page(url, kept, part.get("body"), headers, asked_ms)

    def _page(
        self, url: str, kept: _Kept | None, body: dict[str, Any] | None, headers: httpx.Headers, asked_ms: float
    ) -> Page[Any]:
        """The page of an answer; without a body, the one that was kept."""
        if body is None and kept is not None:
            page = kept.page
        else:
            page = _read(body, self._clock)
            kept = _Kept(headers.get("ETag", ""), page)
        self._keep(url, kept)
        self._learn(page.head, headers, asked_ms)
        stale = headers.get("X-Spot-Stale") == "true"
        return Page(page.rows, cast("Head", {**page.head, "stale": stale}), page.headers, self._clock)

    def _keep(self, url: str, kept: _Kept) -> None:
        if kept.etag:
            self._kept[url] = kept
            self._kept.move_to_end(url)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _learn(self, head: Head, headers: httpx.Headers, asked_ms: float) -> None:
        """The server's time follows from the age that it states."""
        age, since = headers.get("X-Spot-Age-Ms", ""), head["as_of"] or head["fetched_at"]
        if age.isdigit() and since <= head["fetched_at"]:
            self._clock.learn(since + int(age), asked_ms, time.time() * 1000)


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise Unreachable(_NO_ANSWER) from error


def _read(body: Any, clock: Clock) -> Page[Any]:
    """The page of a body with the envelope."""
    table = Table()
    try:
        head = dict(body)
        table.replace(head.pop("data"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreachable(_NO_ANSWER) from error
    return Page(list(table.rows.values()), cast("Head", head), table.headers, clock)
