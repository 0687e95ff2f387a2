"""What can go wrong with a provider, as one tree that carries the two facts a caller acts on.

ProviderError
├── RateLimited     429, or turned away at the edge (403)
├── Unauthorized    the key is missing, wrong, or belongs to another host or plan
├── Unreachable     no connection: refused, no such name, TLS, connect timeout
├── Unavailable     connected, but no answer in time, 5xx, cut off, a page instead of data
├── BadPayload      answered, and the answer is not what was asked for
├── NotFound        the provider does not know the coin or currency, or refuses the request as such
└── OutOfBudget     not asked at all: the minute, the month or a cool-down stands in the way
"""

from __future__ import annotations

from typing import ClassVar


class ProviderError(Exception):
    """`permanent`: asking again will not help until somebody changes something. `retry_after`: seconds, if known.

    The message never holds a key: the client scrubs it before raising. `code` is stable and goes to logs and clients.
    """

    code: ClassVar[str] = "provider_error"
    permanent: bool = False

    def __init__(self, message: str, *, permanent: bool | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        if permanent is not None:
            self.permanent = permanent


class RateLimited(ProviderError):
    code = "rate_limited"


class Unauthorized(ProviderError):
    code = "unauthorized"
    permanent = True


class Unreachable(ProviderError):
    code = "unreachable"


class Unavailable(ProviderError):
    code = "unavailable"


class BadPayload(ProviderError):
    code = "bad_payload"


class NotFound(ProviderError):
    code = "not_found"
    permanent = True


class OutOfBudget(ProviderError):
    """Raised before anything is sent. `reason`: minute, month, probe, or the code of the error that led to a rest."""

    code = "out_of_budget"

    def __init__(self, message: str, *, retry_after: float, reason: str) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason
