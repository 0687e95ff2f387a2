"""Where data come from and how old they are: one value from the fetch to the frame. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from providers.clean import ahead

#: The facts that the store keeps beside a snapshot's rows, in its order; epoch and version have keys of their own.
_STORED = ("as_of", "fetched_at", "source", "label", "simulated", "interval_ms", "max_age_ms", "meta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Provenance of rows; every time in epoch milliseconds.

    `as_of` is the provider's own time of the data (of the oldest part; None when it gives none), `fetched_at` ours.
    `source` is the provider's name, `label` its name in writing, `url` its site. `meta` has what only this kind of
    dataset has: of candles `interval_ms` and `volume_basis`, of markets `universe`, the number of coins that the
    provider ranks.

    The store adds `epoch` and `version`, the pace of renewal in `interval_ms`, and in `max_age_ms` the age from which
    the data are stale.
    """

    as_of: int | None
    fetched_at: int
    source: str
    label: str
    simulated: bool
    meta: dict[str, Any] = field(default_factory=dict)
    epoch: str = ""
    version: int = 0
    interval_ms: int = 0
    max_age_ms: int = 0
    url: str = ""

    def age_ms(self, now_ms: int) -> int | None:
        """The age by the provider's time, by ours where it gives none; None when the clock has been set back since."""
        if ahead(self.fetched_at, now_ms):
            return None
        return max(0, now_ms - (self.fetched_at if self.as_of is None else min(self.as_of, self.fetched_at)))

    def stale(self, now_ms: int) -> bool:
        """Whether the data are older than `max_age_ms`, or of an unknown age."""
        age = self.age_ms(now_ms)
        return age is None or age > self.max_age_ms

    def stored(self) -> dict[str, Any]:
        """The facts as the store keeps them."""
        return {name: getattr(self, name) for name in _STORED}
