"""What can go wrong with a provider, as one tree that carries the two facts a caller acts on. Pure.

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

    `message` is for the operator: it may name hosts, keys' states and budgets. It never holds a key: the client scrubs
    it before raising. `public` is for visitors and names none of that; "" until `for_visitors` or the caller fills it.
    `code` is stable and goes to logs and clients.
    """

    code: ClassVar[str] = "provider_error"
    permanent: bool = False

    def __init__(
        self, message: str, *, permanent: bool | None = None, retry_after: float | None = None, public: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.public = public
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


#: What visitors read, by an error's code or by the reason for which nothing was asked; the label of the provider is
#: put in. No sentence says anything of keys, addresses or figures.
_PUBLIC = {
    "rate_limited": "{} asks this site to wait.",
    "unauthorized": "{} refuses this site's access.",
    "unreachable": "{} cannot be reached.",
    "unavailable": "{} has an outage.",
    "bad_payload": "{} sent an answer that cannot be used.",
    "not_found": "{} does not have this.",
    "minute": "This site has used its share of {}'s calls for now.",
    "month": "This site has used its share of {}'s calls for now.",
    "probe": "{} is being tried again after a pause.",
}
_UNTOLD = "{} cannot serve this at the moment."
#: For visitors, where the fault is this site's own.
INSIDE = "This site failed to process the data; its operator can find the reason in the log."


def for_visitors(error: ProviderError, label: str) -> str:
    """The sentence that a visitor may read of an error of the provider with that label; the error's own, if any."""
    reason = error.reason if isinstance(error, OutOfBudget) else error.code
    return error.public or _PUBLIC.get(reason, _UNTOLD).format(label)
