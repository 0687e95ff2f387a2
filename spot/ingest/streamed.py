"""Datasets that come by stream and are not polled: their providers, and the trouble shown while there is none."""

from __future__ import annotations

from collections.abc import Sequence

import providers
from providers import access
from providers.base import Provider
from providers.datasets import KINDS, LISTINGS, Dataset, Kind
from providers.streams import stream_state
from spot import snapshots
from spot.ingest import announcements
from spot.snapshots import Trouble, now_ms

#: Seconds between two checks by workers.
_PACE = 2.0


def sources(kind: str) -> list[Provider]:
    """The providers whose stream brings that kind and that may be used now: switched on, with a key if they need one,
    and under a plan that has a stream."""
    able = [provider for provider in providers.all() if provider.stream and kind in provider.stream.brings]
    return [provider for provider in able if any(entry.stream_url for entry in access.all_of(provider))]


def look_after(wanted: Sequence[Dataset]) -> None:
    """Restore lost snapshots of these wanted datasets, and store why there are no data where no provider brings
    them."""
    if not wanted or not snapshots.first_in("streamed", _PACE):
        return
    if LISTINGS in wanted:
        announcements.restore()
    for kind in dict.fromkeys(dataset.kind for dataset in wanted):
        why = _why_nothing(kind)
        for dataset in wanted:
            if dataset.kind == kind:
                _explain(dataset, why)


def _why_nothing(kind: Kind) -> Trouble | None:
    """Why no provider brings that kind now; None when one does, or is about to."""
    if snapshots.realm() == "demo":
        simulated = "The market shown is simulated, and nothing real is shown beside it."
        return _trouble(simulated, simulated)
    if not (able := sources(kind)):
        absent = f"No {KINDS[kind].source} source is set up"
        return _trouble(f"{absent}: an operator can enter a key for one.", f"{absent} on this site.")
    states = [(provider, stream_state.read(snapshots.connection(), provider.name)) for provider in able]
    down = [(provider, s) for provider, s in states if s and s.message and s.state in ("refused", "waiting")]
    if len(down) < len(states):
        return None
    # A provider whose stream tries again is named before one that refuses.
    provider, state = min(down, key=lambda pair: pair[1].state == "refused")
    refused, label = state.state == "refused", provider.label
    public = f"{label} refuses this site's access." if refused else f"The connection to {label} is down."
    return _trouble(f"{label}: {state.message}", public, state.until, permanent=refused)


def _trouble(message: str, public: str, until: int | None = None, *, permanent: bool = True) -> Trouble:
    return Trouble("unavailable", message, now_ms(), until, permanent, public)


def _explain(dataset: Dataset, why: Trouble | None) -> None:
    """Store, renew or remove the trouble of the dataset."""
    stored = snapshots.trouble(dataset)
    if why is None and stored is not None:
        snapshots.end_trouble(dataset)
    elif why is not None and (stored is None or (stored.message, stored.next_try) != (why.message, why.next_try)):
        snapshots.set_trouble(dataset, why)
    elif why is not None:
        snapshots.keep_trouble(dataset)
