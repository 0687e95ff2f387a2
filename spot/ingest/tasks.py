"""Celery tasks that fetch and store due datasets. The only periodic one is `tick`.

Nothing overlaps: one tick at a time, one claim per dataset, and tasks that waited too long in the queue expire. A
second beat, a second worker or a backlog after an outage therefore changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import structlog
from celery import shared_task
from django.conf import settings

from providers import bundled, fetching, pacing, tracing
from providers.clean import ahead
from providers.datasets import COINS, CURRENCIES, MEMBERS, Dataset, Fetched
from providers.errors import (
    INSIDE,
    NotFound,
    OutOfBudget,
    ProviderError,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from spot import snapshots
from spot.feeds import namesakes
from spot.ingest import categories, documents, streamed
from spot.ingest.ageing import aged
from spot.metrics import FETCHES, increment
from spot.query.table import Derived, Table
from spot.snapshots import Snapshot, Trouble, claims, demo, now_ms, room

log = structlog.get_logger(__name__)

#: Beat starts a tick this often.
_TICK_SECONDS = 1.0
#: A claim outlives the hard time limit of its task, so that a dataset is never fetched twice at once; the claim of a
#: killed worker ends soon after. Until the task starts, it outlives the task's message only: one that Redis or a reset
#: connection has lost must not hold the dataset up.
_CLAIM_SECONDS = settings.CELERY_TASK_TIME_LIMIT + _TICK_SECONDS + 2
#: Seconds that a message waits in the queue at least before it expires; and that a claim lasts beyond.
_QUEUED_SECONDS, _BEYOND_SECONDS = 5.0, 1.0
#: Coins that somebody has just asked for are fetched so many seconds after the fetch before; more at a long interval,
#: which spares a scarce budget.
_SOONEST_SECONDS = 2.0
#: Seconds until what was asked for on demand is tried again after a failure without a time of its own; and for which
#: such a task may wait in the queue.
_DEMAND_SECONDS = 15.0
#: Seconds between two tries of real providers that were out of reach, while there is only the demo.
_PROBE_SECONDS = 60


@shared_task(ignore_result=True)
def tick() -> None:
    """Start the fetch of every dataset that is wanted and due."""
    snapshots.mark_worker()
    if snapshots.first_in("tick", 0.8):
        wanted = _wanted()
        start_due(wanted)
        room.make(wanted)


def _wanted() -> list[Dataset]:
    """The datasets that somebody looks at, and with coins their categories: the widest first, since a coin is better in
    a wide category than in none."""
    wanted = snapshots.wanted()
    return [*wanted, *reversed(MEMBERS)] if any(dataset.traits.coins for dataset in wanted) else wanted


@shared_task(ignore_result=True)
def start(names: list[str]) -> None:
    """Start the fetch of these datasets if they are due; a hub sends this task when a client waits."""
    start_due([Dataset.parse(name) for name in names])


def start_due(wanted: Sequence[Dataset]) -> None:
    """Queue one fetch for each of these datasets that is due before the next tick and that nobody is fetching. Its
    countdown ends when the dataset is due, so that intervals do not depend on the grid of ticks.

    A missing list that a dataset is checked against is fetched first; the dataset follows once the list is stored, or
    with the next tick.
    """
    wanted = _bounded(wanted)
    streamed.look_after([dataset for dataset in wanted if dataset.traits.streamed])
    for dataset in documents.due([dataset for dataset in wanted if dataset.traits.on_demand]):
        if (token := claims.claim(dataset, _CLAIM_SECONDS)) is not None:
            fetch.apply_async((dataset.name, token, _DEMAND_SECONDS), expires=_DEMAND_SECONDS)
    wanted = [dataset for dataset in wanted if not (dataset.traits.streamed or dataset.traits.on_demand)]
    ages, now = snapshots.ages([*wanted, CURRENCIES, COINS]), now_ms()
    missing = {listing for listing in set().union(*map(_checked_against, wanted)) if ages[listing.name][0] is None}
    wanted = [*missing, *(dataset for dataset in wanted if not missing & {dataset, *_checked_against(dataset)})]
    simulated = snapshots.realm() == "demo"
    intervals = paces(wanted, simulated=simulated)
    due_after = {dataset: _due_after(dataset, intervals[dataset.name]) for dataset in wanted}
    waits = {dataset: _wait(*ages[dataset.name], due_after[dataset], now) for dataset in wanted}
    due = [dataset for dataset in wanted if waits[dataset] < _TICK_SECONDS]
    market = not missing and any(ages[dataset.name][0] is not None for dataset in wanted if dataset.traits.coins)
    for dataset in _in_turn(due, market=market, simulated=simulated):
        interval = intervals[dataset.name]
        expires = max(_QUEUED_SECONDS, interval)
        if (token := claims.claim(dataset, _CLAIM_SECONDS)) is not None:
            claims.renew(dataset, token, min(expires + _BEYOND_SECONDS, _CLAIM_SECONDS))
            later = {"countdown": waits[dataset]} if waits[dataset] else {}
            fetch.apply_async((dataset.name, token, interval), expires=expires, **later)


def _wait(fetched_at: int | None, next_try: int | None, interval: float, now: int) -> float:
    """Seconds until a dataset is due. One that was fetched later than now is due: the clock has been set back."""
    fresh = 0.0 if fetched_at is None or ahead(fetched_at, now) else fetched_at + interval * 1000
    return max(0.0, fresh - now, (next_try or 0) - now) / 1000


def _due_after(dataset: Dataset, interval: float) -> float:
    """The age in seconds from which a dataset is due: its interval, but soon where clients wait for coins that the last
    fetch did not ask for."""
    if not dataset.traits.by_id or (stored := snapshots.facts([dataset])[dataset.name][0]) is None:
        return interval
    asked, most = set(stored.meta.get("asked", ())), _most_coins()
    new = set(snapshots.wanted_coins(dataset.currency, most)) - asked
    if not new or len(asked) >= most or not new & _ids(COINS):
        return interval
    return min(interval, max(_SOONEST_SECONDS, interval / 30))


def _most_coins() -> int:
    """The most coins of a currency that are asked for by id."""
    return settings.SPOT_EXTRA_COINS or 1000


def _in_turn(due: Sequence[Dataset], *, market: bool, simulated: bool) -> list[Dataset]:
    """The datasets to fetch now: all that are due, but of a kind that is fetched one by one the first, when there is a
    market and the time since the one before is over."""
    first = {dataset.kind: dataset for dataset in reversed(due) if dataset.traits.one_by_one} if market else {}
    chosen = [dataset for dataset in due if not dataset.traits.one_by_one]
    return chosen + [
        dataset for kind, dataset in first.items() if simulated or snapshots.first_in(kind, dataset.traits.one_by_one)
    ]


def _checked_against(dataset: Dataset) -> set[Dataset]:
    """The lists that must have a dataset's currency and coins."""
    return {Dataset(kind) for kind in dataset.traits.checked_against}


def paces(datasets: Sequence[Dataset], *, simulated: bool) -> dict[str, float]:
    """By name, the seconds between two fetches of each of these datasets at their demand together."""
    polled = [dataset for dataset in datasets if not dataset.traits.on_demand]
    intervals = pacing.intervals(polled, simulated=simulated, viewers=snapshots.viewers())
    return {dataset.name: intervals.get(dataset.name, settings.SPOT_POLL_SECONDS) for dataset in datasets}


def _bounded(wanted: Sequence[Dataset]) -> list[Dataset]:
    """The pinned and then the most recently wanted datasets, within the limits, however many web processes ask."""
    pinned = set(settings.SPOT_PINNED_CURRENCIES)
    others = list(dict.fromkeys(dataset.currency for dataset in wanted if dataset.currency not in {"", *pinned}))
    currencies = {"", *pinned, *(others[: settings.SPOT_CURRENCIES] if settings.SPOT_CURRENCIES else others)}
    counts: Counter[str] = Counter()
    bounded = []
    for dataset in wanted:
        counts[dataset.kind] += 1
        limit = dataset.traits.bounded_by and getattr(settings, dataset.traits.bounded_by)
        if dataset.currency in currencies and (not limit or counts[dataset.kind] <= limit):
            bounded.append(dataset)
    return bounded


@shared_task(ignore_result=True)
def fetch(name: str, token: str, interval: float) -> None:
    """Fetch one dataset, renewed every `interval` seconds now, and store it, or remember why that failed."""
    dataset = Dataset.parse(name)
    if not claims.renew(dataset, token, _CLAIM_SECONDS):
        return  # delivered twice, or so late that another task has the claim
    try:
        refresh(dataset)
    except ProviderError as error:
        increment(FETCHES, dataset.kind, error.code)
        _remember(dataset, error, interval)
    except Exception:
        increment(FETCHES, dataset.kind, ProviderError.code)
        _remember(
            dataset, ProviderError("The fetch failed inside the gateway; its log says how.", public=INSIDE), interval
        )
        raise
    else:
        increment(FETCHES, dataset.kind, "ok")
        if dataset in (CURRENCIES, COINS):
            start_due(snapshots.wanted())
    finally:
        claims.release(dataset, token)


def refresh(dataset: Dataset) -> int:
    """Fetch one dataset now and store it; returns its version. Raises `ProviderError`, `NotFound` for an unknown coin
    or currency.

    The stored pace is that of its actual source, so that the first real data after a demo have the real pace at once.
    New prices are compared with those in place, and coins get their category.
    """
    ids = _checked(dataset)
    of_coins = dataset.traits.coins
    if dataset.traits.on_demand:
        fetched = documents.fetch(dataset, [one for one in _wanted() if not one.traits.on_demand])
    else:
        fetched = _fetch(dataset, ids, snapshots.load(dataset) if of_coins else None)
    if ids:
        fetched = replace(fetched, meta={**fetched.meta, "asked": ids})  # those without a row have no price
    pace = fetched.lasts or paces([*_wanted(), dataset], simulated=fetched.simulated)[dataset.name]
    with tracing.span("publish", dataset=dataset.name, source=fetched.source):
        return snapshots.save(_completed(fetched, pace) if of_coins else fetched, pace)


def _completed(fetched: Fetched, pace: float) -> Fetched:
    """The coins with their category and with the age of their own price."""
    labelled = categories.labelled(fetched)
    limit = snapshots.max_age_ms(pace, fetched.settle_ms)
    return replace(labelled, rows=list(aged(labelled.rows, fetched.fetched_at, limit)))


def _checked(dataset: Dataset) -> list[str]:
    """Check the dataset's currency and coins against the lists; returns the coins to ask for by id."""
    if dataset.currency:
        _require(CURRENCIES, dataset.currency)
    if dataset.coin:
        _require(COINS, dataset.coin)
    if not dataset.traits.by_id:
        return []
    wanted, listed = snapshots.wanted_coins(dataset.currency, _most_coins()), _ids(COINS)
    if not any(coin in listed for coin in wanted):
        raise _unknown_coin(wanted[0]) if wanted else _not_found("No coin is asked for.")
    return [coin for coin in wanted if coin in listed]


def _require(listing: Dataset, name: str) -> None:
    if name not in _ids(listing):
        raise _unknown_coin(name) if listing == COINS else _not_found(f"No source has the currency {name!r}.")


def _unknown_coin(asked: str) -> NotFound:
    """The error for an unknown id; it names coins whose symbol the id is."""
    stored = [snapshots.load(dataset) for dataset in (COINS, Dataset("markets", "usd"))]
    names = Derived(("name",), itemgetter("name"))
    coins, market = (Table(snapshot.rows if snapshot else [], "id", names) for snapshot in stored)
    sentence = namesakes.sentence(asked, namesakes.namesakes(asked, coins, [market]))
    return _not_found(f"{sentence[0].upper()}{sentence[1:]}")


def _not_found(sentence: str) -> NotFound:
    """An error about a request, which visitors read as it is."""
    return NotFound(sentence, public=sentence)


def _ids(listing: Dataset) -> set[str]:
    """The ids on a list; a list that was never fetched is fetched first, by one task."""
    if (snapshot := snapshots.load(listing)) is None:
        if (token := claims.claim(listing, _CLAIM_SECONDS)) is None:
            message = f"The list of {listing.name} is just being fetched."
            raise Unavailable(message, retry_after=2, public=message)
        try:
            refresh(listing)
        finally:
            claims.release(listing, token)
        snapshot = snapshots.load(listing)
    return {row["id"] for row in snapshot.rows} if snapshot else set()


def _fetch(dataset: Dataset, ids: list[str], before: Snapshot | None) -> Fetched:
    """Fetch from the real providers, or from the simulated one, by SPOT_DEMO.

    `auto` shows the demo only while this store has never held real data and the providers cannot be reached or refuse
    the key; it goes on asking them.
    """
    mode = settings.SPOT_DEMO
    if mode == "on":
        return fetching.fetch(dataset, ids, simulated=True, before=before)
    if mode == "off" or snapshots.seen_live():
        return fetching.fetch(dataset, ids, before=before)
    if snapshots.resting("probe"):
        return fetching.fetch(dataset, ids, simulated=True, before=before)
    try:
        return fetching.fetch(dataset, ids, tries=1, before=before)
    except (Unreachable, Unauthorized, OutOfBudget) as error:
        if isinstance(error, OutOfBudget) and error.reason != Unauthorized.code:
            raise
        log.warning("no provider can be used: showing the demo", error=str(error))
        demo.show_because(error.public)
        if dataset not in (CURRENCIES, COINS):  # another provider may still serve the market
            snapshots.first_in("probe", _PROBE_SECONDS)
        return fetching.fetch(dataset, ids, simulated=True, before=before)


def _remember(dataset: Dataset, error: ProviderError, interval: float) -> None:
    """Store why the fetch failed and when the next try is due; the last good data stay."""
    usual = dataset.traits.retry or min(max(interval, 5.0), 60.0)
    wait = error.retry_after if error.retry_after is not None else usual
    now = now_ms()
    if not error.calls:  # each attempt at a provider has logged itself
        outcome = {"outcome": error.code, "calls": 0, "message": str(error), "retry_in": round(wait, 1)}
        log.warning("fetch", dataset=dataset.name, **outcome)
    without_list = dataset in (CURRENCIES, COINS) and not snapshots.hold(dataset)
    if without_list:  # every other dataset is checked against them
        snapshots.save(bundled.listing(dataset, simulated=snapshots.realm() == "demo"), interval)
    next_try = now + int(wait * 1000)
    trouble = Trouble("unavailable", str(error), now, next_try, error.permanent, error.public or INSIDE)
    snapshots.set_trouble(dataset, trouble)
    if without_list:
        start_due(snapshots.wanted())
