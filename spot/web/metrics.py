"""The door for Prometheus: `/metrics`, for those who show the token, or for this machine alone where there is none.

Any web process answers for all processes: counters are added up in Redis, and each process reports what it serves
(`providers.counters`). `spot.web.measured` reads the rest.
"""

from __future__ import annotations

import asyncio
import hmac
import weakref
from typing import NamedTuple

from django.conf import settings
from prometheus_client.exposition import choose_encoder
from redis.exceptions import RedisError

from spot.hub.hub import Hub
from spot.web.answers import Request, Response
from spot.web.measured import Families, without_store
from spot.web.measured import read as read_all

PATH = "/metrics"
#: However many ask, the store is read so often, in seconds.
_PACE = 0.5
_TEXT = b"text/plain; charset=utf-8"


class _Read(NamedTuple):
    at: float
    families: Families


_last: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Read] = weakref.WeakKeyDictionary()
_turn: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


def _refusal(status: int, sentence: str) -> Response:
    challenge = [(b"WWW-Authenticate", b"Bearer")] if status == 401 else []
    return Response(status, [(b"Content-Type", _TEXT), *challenge], f"{sentence}\n".encode())


#: The answer to other machines where there is no token.
NOT_FROM_HERE = _refusal(
    403,
    "Metrics are served to this machine only, by a direct request to localhost. To read them from elsewhere, set "
    "SPOT_METRICS_TOKEN and send it in the header Authorization: Bearer.",
)
_NO_TOKEN = _refusal(401, "Metrics need SPOT_METRICS_TOKEN: send it in the header Authorization: Bearer.")


def check_token(request: Request) -> Response | None:
    """The refusal of a request without the right token."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    right = hmac.compare_digest(token.strip().encode("latin-1"), settings.SPOT_METRICS_TOKEN.encode())
    return None if scheme.lower() == "bearer" and right else _NO_TOKEN


async def answer(request: Request) -> Response:
    """All metrics, in the format that the request accepts."""
    families = await _lately()
    encode, kind = choose_encoder(request.header(b"accept") or "")
    headers = [(b"Content-Type", kind.encode()), (b"Cache-Control", b"no-store")]
    return Response(200, headers, encode(families))


async def _lately() -> Families:
    loop = asyncio.get_running_loop()
    async with _turn.setdefault(loop, asyncio.Lock()):
        last = _last.get(loop)
        if last is None or loop.time() - last.at > _PACE:
            last = _last[loop] = _Read(loop.time(), await _families())
    return last.families


async def _families() -> Families:
    report = Hub.current().report
    try:
        await report.tell()
        return await asyncio.to_thread(read_all)
    except (RedisError, OSError, TimeoutError):
        return without_store(report.content())
