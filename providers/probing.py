"""One call to find out whether a provider, and its key, are well: behind the admin's buttons."""

from __future__ import annotations

from redis import Redis

from providers import client, ledger
from providers.access import Access
from providers.budget import Budget, connection, wall_ms
from providers.errors import ProviderError, RateLimited

#: The longest that somebody in front of a page is kept waiting.
_SECONDS = 8.0


def probe(entry: Access, redis: Redis | None = None) -> str:
    """What the provider says to this access. ProviderError when it refuses or does not answer.

    It counts like any other call. It may break a rest, since somebody is here and has mended something; only where the
    provider itself told us to wait, waiting is all there is.
    """
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
