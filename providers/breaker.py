"""Circuit breakers: one per provider, in Redis, shared by all workers.

A breaker is about the provider, not about a key: the budget handles errors of keys (401, 429). Its states:

- closed: the provider is used. `PATIENCE` failures in a row open it;
- open: the provider is not used for a pause, which doubles with each failed trial, up to `LONGEST_SECONDS`;
- on trial (half-open): the pause is over, and one caller at a time may try. `TRIALS` successes in a row, at least
  `GAP_SECONDS` apart, close it; a failure opens it again.

A failure within `RELAPSE_SECONDS` after closing opens it at once, for twice the last pause. So an unstable provider
does not make the source of the data alternate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from redis import Redis

from providers.budget import wall_ms
from providers.errors import BadPayload, ProviderError, Unavailable, Unreachable
from providers.pipelines import Commands

#: Failures in a row that open the breaker.
PATIENCE = 3
#: The first and the longest pause.
FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0
#: Successes in a row that close it, and the least time between two trials.
TRIALS, GAP_SECONDS = 2, 5.0
#: How long after closing a failure opens it at once.
RELAPSE_SECONDS = 300.0
#: The interval of trials while no other provider can serve.
LONELY_SECONDS = 60.0
#: The time limit of a trial; longer than a fetch may take.
LEASE_SECONDS = 30.0
#: Errors that count as failures of the provider.
AGAINST: tuple[type[ProviderError], ...] = (Unreachable, Unavailable, BadPayload)

Verdict = Literal["closed", "trial", "open"]


@dataclass(frozen=True, slots=True)
class BreakerState:
    """The state of a breaker. Times are epoch ms, 0 for none; `reason` is the last failure's code and message.

    `until`: when the next trial is due; `failures`: in a row.
    """

    state: Verdict = "closed"
    until: int = 0
    reason: str = ""
    failures: int = 0
    opened_at: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a provider may be called; `wait`: seconds until then, for an open breaker."""

    verdict: Verdict
    wait: float = 0.0


class Breaker:
    """The breakers of all providers. Tests pass `now_ms` and `jitter` (0 to 1)."""

    def __init__(
        self, redis: Redis, now_ms: Callable[[], int] = wall_ms, jitter: Callable[[], float] = random.random
    ) -> None:
        self._redis, self._now_ms, self._jitter = redis, now_ms, jitter
        self._script = redis.register_script(_lua())

    def ask(self, name: str, *, alone: bool = False) -> Permit:
        """Whether the provider may be called now. "trial": the caller has the only trial, and must end it by `failed`,
        `succeeded` or `released`. `alone`: no other provider can serve, so that trials are more frequent."""
        verdict, *wait = self._run(name, "ask", int(alone), *map(_ms, (LEASE_SECONDS, LONELY_SECONDS, LONGEST_SECONDS)))
        return Permit(_text(verdict), wait[0] / 1000 if wait else 0.0)  # type: ignore[arg-type]

    def failed(self, name: str, error: ProviderError) -> bool:
        """Count a failure; whether it opened the breaker. An error that is not the provider's ends a trial without a
        result."""
        if not isinstance(error, AGAINST):
            self.released(name)
            return False
        # Jitter makes the pause shorter, never longer, so that breakers do not try all at once.
        pauses = PATIENCE, _ms(FIRST_SECONDS), _ms(LONGEST_SECONDS), _ms(RELAPSE_SECONDS), 1 - self._jitter() / 10
        return bool(self._run(name, "failed", f"{error.code} {error.message[:200]}", *pauses)[0])

    def succeeded(self, name: str) -> bool:
        """Count a success; whether the breaker is closed now (False: still on trial)."""
        return self.success(name).run(self._redis)

    def success(self, name: str) -> Commands[bool]:
        """The same as a part of a round trip."""
        arguments = ("succeeded", self._now_ms(), TRIALS, _ms(GAP_SECONDS))
        return Commands([("EVAL", _lua(), 1, _key(name), *arguments)], lambda answers: bool(answers[0][0]))

    def released(self, name: str, *, asked: bool = True) -> None:
        """End a trial without a result. If the provider was not called (`asked`), the next caller may try at once."""
        self._run(name, "release", _ms(GAP_SECONDS) if asked else 0)

    def reset(self, name: str) -> None:
        """Close the breaker and forget failures: the next fetch can use the provider."""
        self._redis.delete(_key(name))

    def state(self, name: str) -> BreakerState:
        """The present state of a provider's breaker."""
        return self.states([name])[name]

    def states(self, names: Iterable[str]) -> dict[str, BreakerState]:
        """The states of several breakers, in one round trip."""
        return self.known(names).run(self._redis)

    def known(self, names: Iterable[str]) -> Commands[dict[str, BreakerState]]:
        """The same as a part of a round trip."""
        names = list(names)

        def states(answers: Sequence[Any]) -> dict[str, BreakerState]:
            now = self._now_ms()
            return {name: _state(fields, now) for name, fields in zip(names, answers, strict=True)}

        return Commands([("HGETALL", _key(name)) for name in names], states)

    def _run(self, name: str, operation: str, *arguments: object) -> list[Any]:
        return list(self._script(keys=[_key(name)], args=[operation, self._now_ms(), *arguments]))  # type: ignore[list-item]


def _state(raw: dict[bytes, bytes], now: int) -> BreakerState:
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    failures, reason = int(fields.get("failures", 0)), fields.get("reason", "")
    if fields.get("open") != "1":
        return BreakerState(failures=failures, reason=reason if failures else "")
    until = int(fields["until"])
    if until > now + _ms(LONGEST_SECONDS):
        until = now  # the clock has been set back since
    return BreakerState("open" if until > now else "trial", until, reason, failures, int(fields["opened_at"]))


def _key(name: str) -> str:
    return f"spot:breaker:{name}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@cache
def _lua() -> str:
    return Path(__file__).with_name("breaker.lua").read_text()
