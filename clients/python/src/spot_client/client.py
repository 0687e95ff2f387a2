"""The asynchronous client."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import httpx
from typing_extensions import Self

from spot_client.address import Server
from spot_client.errors import Refused, Unreachable, from_answer
from spot_client.following import Tail, Tasks, Watch
from spot_client.models import Head
from spot_client.page import Clock, Page, Table
from spot_client.retrying import delay
from spot_client.signatures import AsyncFeeds

#: Answers that are kept for their ETag.
_KEPT = 64


class _Kept(NamedTuple):
    etag: str
    page: Page[Any]


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
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Client({self._server.url!r})"

    async def aclose(self) -> None:
        """End all connections."""
        await self._tasks.end_all()
        await self._http.aclose()

    # --- what the signatures call ------------------------------------------------------------------------------------

    async def _get(self, feed: str, params: Mapping[str, Any]) -> Page[Any]:
        url = self._server.http(feed, {**params, "envelope": True})
        kept = self._kept.get(url)
        answer, asked_ms = await self._ask(url, {"If-None-Match": kept.etag} if kept else {})
        if answer.status_code == 304 and kept:
            self._kept.move_to_end(url)
            page = kept.page
        else:
            page = self._page(answer)
            self._keep(url, answer.headers.get("ETag"), page)
        self._learn(page.head, answer.headers, asked_ms)
        stale = answer.headers.get("X-Spot-Stale") == "true"
        return Page(page.rows, cast("Head", {**page.head, "stale": stale}), page.headers, self._clock)

    async def _csv(self, feed: str, params: Mapping[str, Any]) -> str:
        answer, _ = await self._ask(self._server.http(feed, {**params, "format": "csv"}), {})
        return answer.text

    def _watch(self, feed: str, params: Mapping[str, Any]) -> Watch[Any]:
        return Watch(self._server, feed, params, self._clock, self._tasks)

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> Tail[Any]:
        return Tail(self._server, feed, params, self._clock, self._tasks, last=last, since=since)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def _ask(self, url: str, headers: Mapping[str, str]) -> tuple[httpx.Response, float]:
        """The answer of a GET, 200 or 304, and when it was asked for; repeated while that may help."""
        deadline = time.monotonic() + self._patience
        attempt = 0
        while True:
            asked_ms = time.time() * 1000
            try:
                answer = await self._http.get(url, headers=dict(headers))
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

    def _page(self, answer: httpx.Response) -> Page[Any]:
        table = Table()
        try:
            head = json.loads(answer.content)
            table.replace(head.pop("data"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreachable("The answer is not one of a Spot server.") from error
        return Page(list(table.rows.values()), head, table.headers, self._clock)

    def _keep(self, url: str, etag: str | None, page: Page[Any]) -> None:
        if etag:
            self._kept[url] = _Kept(etag, page)
            self._kept.move_to_end(url)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def _learn(self, head: Head, headers: httpx.Headers, asked_ms: float) -> None:
        """The server's time follows from the age that it states."""
        age, since = headers.get("X-Spot-Age-Ms", ""), head["as_of"] or head["fetched_at"]
        if age.isdigit() and since <= head["fetched_at"]:
            self._clock.learn(since + int(age), asked_ms, time.time() * 1000)
