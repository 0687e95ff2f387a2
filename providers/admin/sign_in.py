"""Sign-in with limits against guessing, by network and by name.

- A name from one network: after `PAIR` failures, a lock that expires.
- A network with any names: after `NETWORK` failures, a lock that expires.
- A name from any network: after `NAME` failures, all networks without a recent sign-in under that name together may try
  once in `SLOWED_SECONDS`. So strangers delay each other, and lock no administrator out.
- Passwords are hashed one at a time, and a wrong one takes `PAUSE_SECONDS` more, so that a flood of guesses uses a
  small part of one core. The queue is short.

The library `limits` counts, in Redis for all web processes; while Redis is unreachable, each process counts alone.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections.abc import Callable
from math import ceil
from typing import Any, TypeVar

import structlog
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError

from providers.admin.words import moment, span
from providers.budget import connection, wall_ms

log = structlog.get_logger(__name__)
T = TypeVar("T")

PAIR = RateLimitItemPerMinute(5, 5, namespace="pair")
NETWORK = RateLimitItemPerMinute(20, 10, namespace="network")
NAME = RateLimitItemPerMinute(20, 15, namespace="name")
SLOWED_SECONDS = 10
_SLOWED = RateLimitItemPerSecond(1, SLOWED_SECONDS, namespace="slowed")
#: How long a network counts as known for a name after a sign-in.
_KNOWN_SECONDS = 30 * 86_400
#: The delay after a wrong password.
PAUSE_SECONDS = 1.0
#: Sign-ins of one process that may wait, and their timeout.
_QUEUE, _QUEUE_SECONDS = 4, 10.0
#: How long Redis is not used after it failed.
_AWAY_SECONDS = 30.0

_queue = threading.BoundedSemaphore(_QUEUE)
_hashing = threading.Lock()


class Attempts:
    """Failed sign-ins by network and name."""

    def __init__(self) -> None:
        self._memory: Storage | None = None
        self._away_until = 0.0

    def wait(self, network: str, name: str) -> float:
        """Seconds until this network may try this name; 0: at once."""
        return self._count(lambda limiter, redis: _wait(limiter, redis, network, name))

    def failed(self, network: str, name: str) -> None:
        """Count a failure."""

        def count(limiter: MovingWindowRateLimiter, _redis: Redis | None) -> None:
            limiter.hit(PAIR, network, name)
            limiter.hit(NETWORK, network)
            limiter.hit(NAME, name)

        self._count(count)

    def succeeded(self, network: str, name: str) -> None:
        """Clear the pair's failures, and mark the network as known for the name."""

        def forget(limiter: MovingWindowRateLimiter, redis: Redis | None) -> None:
            limiter.clear(PAIR, network, name)
            if redis:
                redis.set(_known_key(network, name), 1, ex=_KNOWN_SECONDS)

        self._count(forget)

    def _count(self, action: Callable[[MovingWindowRateLimiter, Redis | None], T]) -> T:
        """Call `action` with the counters in Redis or, for a while after Redis failed, with those in memory."""
        if time.monotonic() >= self._away_until:
            redis = connection()
            storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix="spot:signin")
            try:
                return action(MovingWindowRateLimiter(storage), redis)
            except RedisError:
                self._away_until = time.monotonic() + _AWAY_SECONDS
        self._memory = self._memory or MemoryStorage()
        return action(MovingWindowRateLimiter(self._memory), None)


def _wait(limiter: MovingWindowRateLimiter, redis: Redis | None, network: str, name: str) -> float:
    pause = max(_pause(limiter, PAIR, network, name), _pause(limiter, NETWORK, network))
    if pause or limiter.test(NAME, name) or (redis and redis.exists(_known_key(network, name))):
        return pause
    return 0.0 if limiter.hit(_SLOWED, name) else _pause(limiter, _SLOWED, name)


def _pause(limiter: MovingWindowRateLimiter, item: RateLimitItem, *names: str) -> float:
    if limiter.test(item, *names):
        return 0.0
    return max(1.0, limiter.get_window_stats(item, *names).reset_time - time.time())


def _known_key(network: str, name: str) -> str:
    return f"spot:signin:known:{network}:{name}"


attempts = Attempts()


def network_of(address: str) -> str:
    """The network of an address: itself for IPv4, its /64 for IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class SignInForm(AdminAuthenticationForm):
    """The form of the sign-in page. A locked attempt fails before the password is hashed; `wait` is then the number of
    seconds until the next may be made."""

    wait = 0

    def clean(self) -> dict[str, Any]:
        if not (self.cleaned_data.get("username") and self.cleaned_data.get("password")):
            return super().clean()
        if not _queue.acquire(blocking=False):
            raise self._busy()
        try:
            if not _hashing.acquire(timeout=_QUEUE_SECONDS):
                raise self._busy()
            try:
                return self._checked()
            finally:
                _hashing.release()
        finally:
            _queue.release()

    def _checked(self) -> dict[str, Any]:
        username, address = self.cleaned_data["username"], (self.request and self.request.META.get("REMOTE_ADDR")) or ""
        network, name = network_of(address), hashlib.sha256(username.casefold().encode()).hexdigest()[:16]
        if wait := attempts.wait(network, name):
            raise self._later(wait)
        try:
            cleaned = super().clean()
        except ValidationError:
            attempts.failed(network, name)
            log.warning("sign-in failed", address=address, user=_loggable_user(username))
            time.sleep(PAUSE_SECONDS)
            raise
        attempts.succeeded(network, name)
        log.info("signed in", address=address, user=username)
        return cleaned

    def _later(self, seconds: float) -> ValidationError:
        self.wait, now = ceil(seconds), wall_ms()
        again = f"You may try again at {moment(now + self.wait * 1000, now)}, in {span(self.wait)}."
        return ValidationError(f"Too many sign-ins have failed. {again}", code="too_many")

    def _busy(self) -> ValidationError:
        self.wait = 5
        return ValidationError("Too many sign-ins at this moment. Try again in a few seconds.", code="busy")


def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page of the admin; status 429 while locked."""
    response = admin.site.login(request)
    form = (response.context_data or {}).get("form") if isinstance(response, TemplateResponse) else None
    if isinstance(form, SignInForm) and form.wait:
        response.status_code, response["Retry-After"] = 429, str(form.wait)
    return response


def _loggable_user(username: str) -> str:
    """The name, if such a user exists: people type passwords into the wrong field, and these must not be logged."""
    exists = get_user_model().objects.filter(username=username).exists()
    return username if exists else "(no such user)"
