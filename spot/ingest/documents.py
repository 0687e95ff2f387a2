"""What is fetched on demand only: when it is due, how much of the budget it may use, and for which protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from providers import fetching, pacing
from providers.clean import ahead
from providers.datasets import Dataset, Fetched
from providers.errors import ProviderError
from providers.facts import Facts
from spot import snapshots
from spot.clients import records
from spot.clients.protocols import note_fetched, passed_for
from spot.snapshots import Trouble, now_ms


def due(
    wanted: Sequence[Dataset],
    looked: Mapping[str, int],
    known: Mapping[str, tuple[Facts | None, Trouble | None]],
) -> list[Dataset]:
    """Those of these datasets that somebody has asked for since they ceased to hold, or that were never fetched; not
    while the next try after a failure is still to come. So nothing is fetched for a client that is gone, and many
    clients cost as much as one. By name: when a client last looked, and what is stored."""
    now, chosen = now_ms(), []
    for dataset in wanted:
        stored, trouble = known[dataset.name]
        if trouble and not ahead(trouble.at, now) and (trouble.next_try or 0) > now:
            continue
        if (
            stored is None
            or ahead(stored.fetched_at, now)
            or looked.get(dataset.name, 0) >= stored.fetched_at + stored.interval_ms <= now
        ):
            chosen.append(dataset)
    return chosen


def rate(protocol: str, polled: Sequence[Dataset]) -> float:
    """The calls a second that all documents for a protocol may cost together: its share of what the polls of these
    datasets leave over."""
    if not (percent := records.document_share(protocol)):
        return 0.0
    left = pacing.left_over("document", polled, viewers=snapshots.viewers())
    return left if left == math.inf else left * percent / 100


def fetch(dataset: Dataset, polled: Sequence[Dataset]) -> Fetched:
    """The document in the realm in force: whether the demo is shown, the market decides. Raises `ProviderError`,
    `OutOfBudget` when the share beside the polls of these datasets is used up."""
    simulated, protocol = snapshots.realm() == "demo", passed_for(dataset.kind)
    try:
        fetched = fetching.fetch(dataset, simulated=simulated, rate=math.inf if simulated else rate(protocol, polled))
    except ProviderError as error:
        note_fetched(snapshots.connection(), protocol, error.calls)
        raise
    note_fetched(snapshots.connection(), protocol, fetched.calls)
    return fetched
