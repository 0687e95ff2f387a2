"""Datasets that come by stream and are not polled: who brings them, and what is said while nobody does."""

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

#: How often a worker looks after them, in seconds.
_PACE = 2.0


def sources(kind: str) -> list[Provider]:
    """The providers whose stream brings that kind and that may be used now: switched on, with a key if they need one,
    and under a plan that has a stream."""
    able = [one for one in providers.all() if one.stream and kind in one.stream.brings]
    return [one for one in able if any(entry.stream_url for entry in access.all_of(one))]


def look_after(wanted: Sequence[Dataset]) -> None:
    """What a worker does for the streamed ones among what is wanted: bring back what the store has lost, and say why
    there is nothing where nobody can bring it."""
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
    """Why nobody brings that kind now; None when somebody does, or is about to."""
    if snapshots.realm() == "demo":
        simulated = "The market shown is simulated, and nothing real is shown beside it."
        return _trouble(simulated, simulated)
    if not (able := sources(kind)):
        absent = f"No {KINDS[kind].source} source is set up"
        return _trouble(f"{absent}: an operator can enter a key for one.", f"{absent} on this site.")
    states = [(one, stream_state.read(snapshots.connection(), one.name)) for one in able]
    said = [(one, state) for one, state in states if state and state.message and state.state in ("refused", "waiting")]
    if len(said) < len(states):
        return None
    # Who tries again comes first: that is what there is to hope for.
    one, state = min(said, key=lambda found: found[1].state == "refused")
    refused = state.state == "refused"
    public = f"{one.label} refuses this site's access." if refused else f"The connection to {one.label} is down."
    return _trouble(f"{one.label}: {state.message}", public, state.until, permanent=refused)


def _trouble(message: str, public: str, until: int | None = None, *, permanent: bool = True) -> Trouble:
    return Trouble("unavailable", message, now_ms(), until, permanent, public)


def _explain(dataset: Dataset, why: Trouble | None) -> None:
    """Keep it said as long as it is so, and no longer."""
    said = snapshots.trouble(dataset)
    if why is None and said is not None:
        snapshots.end_trouble(dataset)
    elif why is not None and (said is None or (said.message, said.next_try) != (why.message, why.next_try)):
        snapshots.set_trouble(dataset, why)
    elif why is not None:
        snapshots.keep_trouble(dataset)
