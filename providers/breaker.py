"""Whether a provider is worth asking: one breaker a provider, in Redis, shared by all workers.

It is about the provider, not about a key: what a key is refused (401, 429) is the budget's business. A breaker is

- closed: the provider is asked in its turn. `PATIENCE` failures in a row open it;
- open: it is not asked for a pause, which doubles with each trial that fails, up to `LONGEST_SECONDS`;
- on trial: the pause is over, one caller at a time may ask. `TRIALS` good answers in a row, `GAP_SECONDS` apart, close
  it; one that fails opens it again.

A provider that fails within `RELAPSE_SECONDS` of its return is opened at once, for twice the last pause. Together that
keeps a provider that comes and goes from dragging everybody's source label to and fro.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from redis import Redis

from providers.budget import wall_ms
from providers.errors import BadPayload, ProviderError, Unavailable, Unreachable

#: Failures in a row before a provider is left alone.
PATIENCE = 3
#: The pause after that, and the longest it grows to.
FIRST_SECONDS, LONGEST_SECONDS = 5.0, 600.0
#: Good answers in a row that bring it back, and the least time between two trials.
TRIALS, GAP_SECONDS = 2, 5.0
#: How long after its return a failure counts as a relapse.
RELAPSE_SECONDS = 300.0
#: While nobody else can serve, an open one is tried this often.
LONELY_SECONDS = 60.0
#: How long one caller may take over a trial; longer than a fetch may last.
LEASE_SECONDS = 30.0
#: What tells against a provider itself.
AGAINST: tuple[type[ProviderError], ...] = (Unreachable, Unavailable, BadPayload)

Verdict = Literal["closed", "trial", "open"]


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How a provider stands. Times are epoch ms, 0 for none; `reason` is the last failure's code and sentence.

    `until` is when the next trial is due, `failures` how many came in a row.
    """

    state: Verdict = "closed"
    until: int = 0
    reason: str = ""
    failures: int = 0
    opened_at: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """The answer to whether a provider may be asked; `wait` is in seconds, for an open one."""

    verdict: Verdict
    wait: float = 0.0


class Breaker:
    """The breakers of all providers. `now_ms` and `jitter` (0 to 1) are for tests to hand in."""

    def __init__(
        self, redis: Redis, now_ms: Callable[[], int] = wall_ms, jitter: Callable[[], float] = random.random
    ) -> None:
        self._redis, self._now_ms, self._jitter = redis, now_ms, jitter
        self._script = redis.register_script(_lua())

    def ask(self, name: str, *, alone: bool = False) -> Leave:
        """Whether the provider may be asked now. "trial": the one trial there is is the caller's, who ends it by
        `failed`, `succeeded` or `released`. `alone`: nobody else can serve, so that waiting long helps nobody."""
        verdict, *wait = self._run(name, "ask", int(alone), *map(_ms, (LEASE_SECONDS, LONELY_SECONDS, LONGEST_SECONDS)))
        return Leave(_text(verdict), wait[0] / 1000 if wait else 0.0)  # type: ignore[arg-type]

    def failed(self, name: str, error: ProviderError) -> bool:
        """Note a failure; whether it opened the breaker. An error that does not tell against the provider ends a trial
        without a verdict."""
        if not isinstance(error, AGAINST):
            self.released(name)
            return False
        # A shorter pause by chance, so that many breakers do not try at one moment; never a longer one.
        pauses = PATIENCE, _ms(FIRST_SECONDS), _ms(LONGEST_SECONDS), _ms(RELAPSE_SECONDS), 1 - self._jitter() / 10
        return bool(self._run(name, "failed", f"{error.code} {error.message[:200]}", *pauses)[0])

    def succeeded(self, name: str) -> bool:
        """Note a good answer; whether the provider stands in front now (False: still on trial)."""
        return bool(self._run(name, "succeeded", TRIALS, _ms(GAP_SECONDS))[0])

    def released(self, name: str, *, asked: bool = True) -> None:
        """End a trial without a verdict. Where nothing was `asked` the next caller may try at once."""
        self._run(name, "release", _ms(GAP_SECONDS) if asked else 0)

    def reset(self, name: str) -> None:
        """Forget everything: the provider is asked in its turn again, by the next fetch."""
        self._redis.delete(_key(name))

    def state(self, name: str) -> BreakerState:
        """How the provider stands now."""
        return self.states([name])[name]

    def states(self, names: Iterable[str]) -> dict[str, BreakerState]:
        """The same of several, in one round trip."""
        kept = list(names)
        reads = self._redis.pipeline(transaction=False)
        for name in kept:
            reads.hgetall(_key(name))
        now = self._now_ms()
        return {name: _state(fields, now) for name, fields in zip(kept, reads.execute(), strict=True)}

    def _run(self, name: str, what: str, *arguments: object) -> list[Any]:
        return list(self._script(keys=[_key(name)], args=[what, self._now_ms(), *arguments]))  # type: ignore[list-item]


def _state(fields: dict[bytes, bytes], now: int) -> BreakerState:
    known = {name.decode(): value.decode() for name, value in fields.items()}
    failures, reason = int(known.get("failures", 0)), known.get("reason", "")
    if known.get("open") != "1":
        return BreakerState(failures=failures, reason=reason if failures else "")
    until = int(known["until"])
    if until > now + _ms(LONGEST_SECONDS):
        until = now  # noted by a clock that has been set back since
    return BreakerState("open" if until > now else "trial", until, reason, failures, int(known["opened_at"]))


def _key(name: str) -> str:
    return f"spot:breaker:{name}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@cache
def _lua() -> str:
    return Path(__file__).with_name("breaker.lua").read_text()
