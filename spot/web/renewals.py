"""The admin's table of datasets: the pace in force, the last fetch, the next one, and why it is not sooner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from providers import access, chains, pacing
from providers.admin.words import kind_name, moment, span
from providers.datasets import COINS, CURRENCIES, KINDS, MEMBERS, Dataset, Kind
from providers.facts import Facts
from spot import snapshots
from spot.ingest import tasks
from spot.snapshots import Trouble, now_ms

#: Told even while nobody looks at them.
_ALWAYS = (Dataset("markets", "usd"), CURRENCIES, COINS)
#: A worker that has run no task for so long is gone.
_SILENT_MS = 30_000
_IDLE = "not fetched while no page or client asks for it"
_KINDS = list(KINDS)


@dataclass(frozen=True, slots=True)
class Renewal:
    """One line of the table, in words."""

    what: str
    source: str
    pace: str
    last: str
    next: str
    why: str


@dataclass(frozen=True, slots=True)
class Renewals:
    """The table, and what keeps all of it from being renewed."""

    lines: list[Renewal]
    notices: list[str]


def read() -> Renewals:
    """How each dataset is renewed at the present demand; nothing while the store does not answer, which the table of
    providers says."""
    try:
        return Renewals(_lines(), _notices())
    except RedisError:
        return Renewals([], [])


def _notices() -> list[str]:
    seen, now = snapshots.worker_seen_ms(), now_ms()
    if seen is not None and now - seen < _SILENT_MS:
        return []
    since = f"since {moment(seen, now)}" if seen else "yet"
    return [f"No worker has run {since}, so nothing is fetched: see that the worker and beat processes run."]


def _lines() -> list[Renewal]:
    wanted = snapshots.wanted()
    if any(dataset.traits.market for dataset in wanted):
        wanted += MEMBERS
    datasets = list(dict.fromkeys([*wanted, *_ALWAYS]))
    simulated, known = snapshots.realm() == "demo", snapshots.facts(datasets)
    polled = [dataset for dataset in datasets if not (dataset.traits.streamed or dataset.traits.on_demand)]
    paces, now, planned = (
        tasks.paces(polled, simulated=simulated),
        now_ms(),
        {*wanted, *((CURRENCIES, COINS) if wanted else ())},
    )
    groups: dict[tuple[Kind, str], list[_Renewal]] = {}
    for dataset in datasets:
        pace = paces.get(dataset.name) if dataset in planned else None
        renewal = _Renewal(dataset, *known[dataset.name], pace, simulated, now)
        groups.setdefault((dataset.kind, dataset.currency), []).append(renewal)
    ordered = sorted(groups.items(), key=lambda item: (_KINDS.index(item[0][0]), item[0][1]))
    return [_in_words(group, now) for _, group in ordered]


@dataclass(frozen=True, slots=True)
class _Renewal:
    """How one dataset is renewed. `pace`: seconds between two fetches, None where none is planned."""

    dataset: Dataset
    facts: Facts | None
    trouble: Trouble | None
    pace: float | None
    simulated: bool
    now: int

    @property
    def fetched_at(self) -> int | None:
        """When it was fetched last, epoch ms."""
        return self.facts.fetched_at if self.facts else None

    @property
    def next_ms(self) -> int | None:
        """When the next fetch is due, epoch ms; now at the earliest."""
        if self.pace is None:
            return None
        due = self.fetched_at + round(self.pace * 1000) if self.fetched_at else self.now
        return max(self.now, due, (self.trouble.next_try or 0) if self.trouble else 0)

    @property
    def why(self) -> str:
        """Why it is not fetched sooner."""
        if self.trouble:
            return self.trouble.message
        if self.dataset.traits.streamed:
            return "comes by stream as it happens"
        if self.dataset.traits.on_demand:
            return "fetched when somebody asks and the last one does not hold any more"
        return _IDLE if self.pace is None else self._limit(self.pace)

    def _limit(self, pace: float) -> str:
        """The reason for the pace."""
        if self.dataset.traits.daily:
            return "lists are fetched once a day"
        if self.simulated:
            return "the simulated market moves at this pace"
        if not (chain := chains.for_dataset(self.dataset)):
            return "no provider serves it"
        provider, endpoint = chain[0]
        wish = pacing.wished(self.dataset.kind, endpoint, access.of(provider))
        if pace > 1.01 * wish:
            return "slowed down so that the allowance of minute and month lasts"
        if self.dataset.traits.interval:
            return f"{self.dataset.traits.several} are fetched every {span(self.dataset.traits.interval)}"
        polls = settings.SPOT_POLL_SECONDS
        return f"{provider.label} has new data this often" if wish > polls else f"SPOT_POLL_SECONDS is {polls:g}"


def _in_words(group: Sequence[_Renewal], now: int) -> Renewal:
    """The line of datasets that differ in coin or channel only: of the one in trouble, else of the oldest."""
    shown = min(group, key=lambda one: (one.trouble is None, one.fetched_at or 0))
    currency = f", {shown.dataset.currency.upper()}" if shown.dataset.currency else ""
    count = f" ({len(group)})" if len(group) > 1 else ""
    paces = [row.pace for row in group if row.pace]
    return Renewal(
        what=f"{kind_name(shown.dataset.kind)}{currency}{count}",
        source=shown.facts.label if shown.facts else "-",
        pace=f"every {span(max(paces))}" if paces else "-",
        last=_ago(shown.fetched_at, now),
        next=_in(shown.next_ms, now),
        why=shown.why,
    )


def _ago(at: int | None, now: int) -> str:
    return f"{moment(at, now)}, {span(max(0, now - at) / 1000)} ago" if at else "never"


def _in(at: int | None, now: int) -> str:
    if at is None:
        return "-"
    return "now" if at <= now else f"{moment(at, now)}, in {span((at - now) / 1000)}"
