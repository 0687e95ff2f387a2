"""Errors of providers: one tree with the two facts that a caller needs, whether and when to retry. Pure.

ProviderError
├── RateLimited     429, or blocked by a CDN (403)
├── Unauthorized    the key is missing, wrong, or of another host or plan
├── Unreachable     no connection: refused, unknown host, TLS error, connect timeout
├── Unavailable     connected, then a timeout, 5xx, a lost connection, or no JSON
├── BadPayload      a response with unusable content
├── NotFound        the provider does not have the coin or currency, or rejects the request as such
└── OutOfBudget     no call was made, because of the minute, the month or a rest
"""

from __future__ import annotations

from typing import ClassVar


class ProviderError(Exception):
    """`permanent`: a retry cannot succeed until a configuration changes. `retry_after`: seconds, if known.

    `calls`: how many were sent until it was raised, to all providers that were tried. `status`: the HTTP status of the
    answer, where there was one.

    `message` is for the operator: it may name hosts, states of keys and budgets, but no key, which the client removes.
    `public` is for visitors and has none of these; it is "" until `for_visitors` or the caller sets it. `code` is
    stable, and used in logs and for clients.
    """

    code: ClassVar[str] = "provider_error"
    permanent: bool = False
    calls: int = 0
    status: int | None = None

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
    """No call was made. `reason`: minute, month, share, probe, or the code of the error that caused the rest."""

    code = "out_of_budget"

    def __init__(self, message: str, *, retry_after: float, reason: str) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason


#: Messages for visitors, by an error's code or an `OutOfBudget`'s reason, with a place for the provider's label. They
#: reveal no keys, addresses or figures.
_PUBLIC = {
    "rate_limited": "{} asks this site to wait.",
    "unauthorized": "{} refuses this site's access.",
    "unreachable": "{} cannot be reached.",
    "unavailable": "{} has an outage.",
    "bad_payload": "{} sent an answer that cannot be used.",
    "not_found": "{} does not have this.",
    "minute": "This site has used its share of {}'s calls for now.",
    "month": "This site has used its share of {}'s calls for now.",
    "share": "This site has used its share of {}'s calls for now.",
    "probe": "{} is being tried again after a pause.",
}
_OTHER = "{} cannot serve this at the moment."
#: For visitors, for errors of this site itself.
INSIDE = "This site failed to process the data; its operator can find the reason in the log."


def for_visitors(error: ProviderError, label: str) -> str:
    """The message for visitors of an error of the provider with that label."""
    reason = error.reason if isinstance(error, OutOfBudget) else error.code
    return error.public or _PUBLIC.get(reason, _OTHER).format(label)
