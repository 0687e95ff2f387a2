"""One call to find out whether a provider, and its key, are well: behind the admin's buttons."""

from __future__ import annotations

import asyncio

from redis import Redis
from websockets.exceptions import ConnectionClosed

from providers import client, ledger
from providers.access import Access
from providers.budget import Budget, connection, wall_ms
from providers.errors import ProviderError, RateLimited
from providers.stream import Dropped, Refused, Stream
from providers.streams.dialling import dial, ending, scrubbed

#: The longest that somebody in front of a page is kept waiting.
_SECONDS = 8.0


def probe(entry: Access, redis: Redis | None = None) -> str:
    """What the provider says to this access. ProviderError when it refuses or does not answer.

    It counts like any other call. It may break a rest, since somebody is here and has mended something; only where the
    provider itself told us to wait, waiting is all there is. Where there is only a stream, a connection is the call.
    """
    if not entry.base_url and entry.provider.stream:
        return asyncio.run(_greeted(entry, entry.provider.stream))
    redis = redis or connection()
    budget, call = Budget(redis), entry.provider.probe(entry.plan)
    if not budget.usage(entry).rest_reason.startswith(RateLimited.code):
        budget.succeeded(entry)
    reservation = budget.spend(entry, 1, call.credits)
    paid, failures = 0, 1
    try:
        answer = client.fetch_json(entry, call, tries=1, seconds=_SECONDS)
        paid = call.credits
        said = entry.provider.proven(answer.payload)
        failures = 0
    except ProviderError as error:
        budget.failed(entry, error)
        raise
    finally:
        budget.settle(reservation, paid)
        ledger.note(redis, entry, 1, paid * 1000, failures, wall_ms())
    budget.succeeded(entry)
    return said


async def _greeted(entry: Access, stream: Stream) -> str:
    """Connect, and wait for the first thing that the provider says."""
    socket = await dial(entry, stream, open_seconds=_SECONDS, close_seconds=1.0)
    session = stream.session(entry.key.reveal())
    try:
        async with asyncio.timeout(_SECONDS):
            for message in session.opened():
                await socket.send(message)
            while True:
                for event in session.receive(await socket.recv(), wall_ms()):
                    if isinstance(event, Refused):
                        raise scrubbed(event.error, entry)
                    if not isinstance(event, Dropped):
                        return "accepted"
    except TimeoutError:
        return "connected, but it has said nothing yet"
    except ConnectionClosed as closed:
        if error := ending(closed, entry, stream):
            raise error from None
        return "connected, and closed again by the provider"
    finally:
        await socket.close()
