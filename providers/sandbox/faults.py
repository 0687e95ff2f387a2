"""The faults of a sandbox: their calls and number."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from providers.sandbox.reply import SPOILERS
from providers.sandbox.sending import SENDERS

#: Fault kinds that change the input of a response, with their options. `frozen`: data stay as they were when the fault
#: was added. `overlap`: pages repeat rows. `slow`: a late, valid response.
_INPUTS: dict[str, dict[str, Any]] = {"frozen": {}, "overlap": {"rows": 1}, "slow": {"seconds": 1.0}}
#: Every kind of fault, and its options with their defaults.
KINDS: dict[str, dict[str, Any]] = _INPUTS | {
    kind: options for table in (SPOILERS, SENDERS) for kind, (options, _) in table.items()
}


@dataclass
class Fault:
    """A fault of calls whose path (without the root) begins with `path_prefix`.

    It skips the first `after` of them, applies to the next `times` (None: to all, until it is removed), and only to
    calls with these `params`, as in {"page": "2"}. `hits` counts its calls.
    """

    path_prefix: str
    kind: str
    times: int | None = None
    after: int = 0
    params: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    added_at: int = 0
    number: int = 0
    hits: int = 0
    seen: int = 0

    def concerns(self, path: str, params: dict[str, str]) -> bool:
        """Whether it applies to such a call and is not used up."""
        left = self.times is None or self.hits < self.times
        return left and path.startswith(self.path_prefix) and self.params.items() <= params.items()


class Faults:
    """The faults of one sandbox. At most one applies to a call: the oldest. `kinds` are the valid ones."""

    def __init__(self, now: Callable[[], int], kinds: dict[str, dict[str, Any]] = KINDS) -> None:
        self._now, self._kinds = now, kinds
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._faults: list[Fault] = []

    def add(
        self,
        path_prefix: str,
        kind: str,
        times: int | None = None,
        *,
        after: int = 0,
        params: dict[str, str] | None = None,
        **options: Any,
    ) -> Fault:
        """Add a fault. Raises `ValueError` for an unknown kind or option.

        >>> sandbox.faults.add("/coins/markets", "rate_limited", times=2, retry_after=3)
        """
        if kind not in self._kinds:
            raise ValueError(f"no fault is called {kind!r}; there are {', '.join(sorted(self._kinds))}")
        if unknown := options.keys() - self._kinds[kind]:
            raise ValueError(f"{kind} takes {sorted(self._kinds[kind]) or 'no options'}, not {sorted(unknown)}")
        texts = {name: str(value) for name, value in (params or {}).items()}
        complete = {**self._kinds[kind], **options}
        with self._lock:
            fault = Fault(path_prefix, kind, times, after, texts, complete, self._now(), next(self._numbers))
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """All faults, used-up ones included."""
        with self._lock:
            return list(self._faults)

    def take(self, path: str, params: dict[str, str]) -> Fault | None:
        """The fault of this call, counted; None for none."""
        with self._lock:
            for fault in self._faults:
                if fault.concerns(path, params):
                    fault.seen += 1
                    if fault.seen > fault.after:
                        fault.hits += 1
                        return fault
        return None
