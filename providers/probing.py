"""One call that tests a provider and its key: the admin's Test buttons."""

from __future__ import annotations

import asyncio

from redis import Redis
from websockets.exceptions import ConnectionClosed

from providers import client, ledger
from providers.access import Access
from providers.budget import Budget, connection, wall_ms
from providers.errors import ProviderError, RateLimited
from providers.metrics import CALLS, counts
from providers.stream import Dropped, Rejected, Stream
from providers.streams.dialling import close_error, dial, scrubbed

#: Timeout of the test, since somebody waits for the page.
_SECONDS = 8.0


def probe(entry: Access, redis: Redis | None = None) -> str:
    """Test an access; the result as a phrase. Raises `ProviderError` when the provider rejects it or is unreachable.

    The call counts like any other. It ends a rest after errors, since the operator may have fixed the cause, but not
    one after a rate limit. A provider with a stream only is tested by a connection.
    """
    if not entry.base_url and entry.provider.stream:
        return asyncio.run(_test_stream(entry, entry.provider.stream))
    redis = redis or connection()
    budget, call = Budget(redis), entry.provider.probe(entry.plan)
    if not budget.usage(entry).rest_reason.startswith(RateLimited.code):
        budget.succeeded(entry)
    reservation = budget.spend(entry, 1, call.credits)
    paid, failures = 0, 1
    try:
        answer = client.fetch_json(entry, call, tries=1, seconds=_SECONDS)
        paid = call.credits
        result = entry.provider.proven(answer.payload)
        failures = 0
    except ProviderError as error:
        budget.failed(entry, error)
        raise
    finally:
        budget.settle(reservation, paid)
        counts.add(CALLS, entry.provider.name)
        ledger.note(redis, entry, 1, paid * 1000, failures, wall_ms())
    budget.succeeded(entry)
    return result


async def _test_stream(entry: Access, stream: Stream) -> str:
    """Connect, and wait for the first valid message."""
    socket = await dial(entry, stream, open_seconds=_SECONDS, close_seconds=1.0)
    session = stream.session(entry.key.reveal())
    try:
        async with asyncio.timeout(_SECONDS):
            for message in session.opened():
                await socket.send(message)
            while True:
                for event in session.receive(await socket.recv(), wall_ms()):
                    if isinstance(event, Rejected):
                        raise scrubbed(event.error, entry)
                    if not isinstance(event, Dropped):
                        return "accepted"
    except TimeoutError:
        return "connected, but no message so far"
    except ConnectionClosed as closed:
        if error := close_error(closed, entry, stream):
            raise error from None
        return "connected, but the provider closed the connection"
    finally:
        await socket.close()
