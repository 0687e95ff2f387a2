"""A middleware that limits the admin requests that a web process handles at once.

Each of them uses a thread and a database connection, which feeds and workers need as well.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

#: Requests handled at once, and requests that may wait.
AT_ONCE, WAITING = 8, 64


class AdminQueue:
    """Middleware, outside those that need a thread. Without an event loop each request has a thread anyway."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]) -> None:
        self._get_response = get_response
        self._turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )
        self._waiting = 0
        self._asynchronous = iscoroutinefunction(get_response)
        if self._asynchronous:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._asynchronous and request.path_info.startswith(reverse("admin:index")):
            return self._in_turn(request)
        return self._get_response(request)

    async def _in_turn(self, request: HttpRequest) -> HttpResponse:
        if self._waiting >= WAITING:
            headers = {"Retry-After": "5", "Cache-Control": "no-store"}
            text = "Too many requests for the admin at this moment. Try again in a few seconds."
            return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8", headers=headers)
        turns = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))
        self._waiting += 1
        try:
            await turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await cast("Awaitable[HttpResponse]", self._get_response(request))
        finally:
            turns.release()
