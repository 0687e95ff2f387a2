"""Celery tasks that fetch and store due datasets. The only periodic one is `tick`.

Nothing overlaps: one tick at a time, one claim per dataset, and tasks that waited too long in the queue expire. A
second beat, a second worker or a backlog after an outage therefore changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
from providers.facts import Facts
from providers.pipelines import together, write
from spot import signs, snapshots
from spot.feeds import namesakes
from spot.ingest import categories, documents, streamed
from spot.ingest.ageing import aged
from spot.ingest.context import Context, coins_of, context_of, most_coins
from spot.metrics import FETCHES, increment
from spot.query.table import Derived, Table
from spot.snapshots import Trouble, claims, commands, demo, now_ms, room
from spot.snapshots.commands import Demand

log = structlog.get_logger(__name__)

#: Beat starts a tick this often.
_TICK_SECONDS = 1.0
#: One tick runs in so many seconds, whatever the number of beats.
_ONE_TICK_SECONDS = 0.8
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
    """Start the fetch of every dataset that is wanted and due. While nothing is due, it takes two round trips."""
    client = snapshots.connection()
    _, token, demand, made_room = together(
        client,
        write(signs.worker_mark()),
        commands.first_in("tick", _ONE_TICK_SECONDS),
        commands.demand(),
        commands.exists("room"),
    )
    if token is False or (token is True and not snapshots.first_in("tick", _ONE_TICK_SECONDS)):
        return
    snapshots.forget_processes(demand.ended)
    wanted = _with_categories(demand.wanted)
    start_due(wanted, demand)
    if not made_room:
        room.make(wanted)


def _wanted() -> list[Dataset]:
    """The datasets that somebody looks at, with their categories."""
    return _with_categories(snapshots.wanted())


def _with_categories(wanted: list[Dataset]) -> list[Dataset]:
    """These datasets, and with coins their categories: the widest first, since a coin is better in a wide category than
    in none."""
    return [*wanted, *reversed(MEMBERS)] if any(dataset.traits.coins for dataset in wanted) else wanted


@shared_task(ignore_result=True)
def start(names: list[str]) -> None:
    """Start the fetch of these datasets if they are due; a hub sends this task when a client waits."""
    start_due([Dataset.parse(name) for name in names])


def start_due(wanted: Sequence[Dataset], demand: Demand | None = None) -> None:
    """Queue one fetch for each of these datasets that is due before the next tick and that nobody is fetching. Its
    countdown ends when the dataset is due, so that intervals do not depend on the grid of ticks.

    A missing list that a dataset is checked against is fetched first; the dataset follows once the list is stored, or
    with the next tick. `demand`: that of all clients, if the caller knows it.
    """
    demand = demand or commands.demand().run(snapshots.connection())
    simulated = demand.realm == "demo"
    wanted = _bounded(wanted)
    streamed.look_after([dataset for dataset in wanted if dataset.traits.streamed])
    wanted = [dataset for dataset in wanted if not dataset.traits.streamed]
    on_demand = [dataset for dataset in wanted if dataset.traits.on_demand]
    polled = [dataset for dataset in wanted if not dataset.traits.on_demand]
    kinds = {dataset.kind for dataset in polled}.union(*(dataset.traits.checked_against for dataset in polled))
    known, looked, coins, sources = together(
        snapshots.connection(),
        commands.facts([*wanted, CURRENCIES, COINS], demand.realm),
        commands.last_looked(on_demand),
        coins_of([dataset for dataset in polled if dataset.traits.by_id], demand.realm),
        pacing.known(kinds, simulated),
    )
    _queue(dict.fromkeys(documents.due(on_demand, looked, known), (_DEMAND_SECONDS, 0.0)))
    ages, now = snapshots.ages_of(known), now_ms()
    missing = {listing for listing in set().union(*map(_checked_against, polled)) if ages[listing.name][0] is None}
    polled = [*missing, *(dataset for dataset in polled if not missing & {dataset, *_checked_against(dataset)})]
    planned = pacing.intervals(polled, simulated=simulated, viewers=demand.viewers, sources=sources)
    intervals = {dataset: planned.get(dataset.name, settings.SPOT_POLL_SECONDS) for dataset in polled}
    due_after = {
        dataset: _due_after(dataset, interval, known[dataset.name][0], coins) for dataset, interval in intervals.items()
    }
    waits = {dataset: _wait(*ages[dataset.name], due_after[dataset], now) for dataset in polled}
    due = [dataset for dataset in polled if waits[dataset] < _TICK_SECONDS]
    market = not missing and any(ages[dataset.name][0] is not None for dataset in polled if dataset.traits.coins)
    chosen = _in_turn(due, market=market, simulated=simulated)
    _queue({dataset: (intervals[dataset], waits[dataset]) for dataset in chosen})


def _queue(due: Mapping[Dataset, tuple[float, float]]) -> None:
    """Queue one fetch of each of these datasets that nobody is fetching: by dataset, the seconds from one fetch to the
    next, and those until it is due."""
    expiries = {dataset: max(_QUEUED_SECONDS, interval) for dataset, (interval, _) in due.items()}
    lasts = {dataset: min(expires + _BEYOND_SECONDS, _CLAIM_SECONDS) for dataset, expires in expiries.items()}
    claimed = (claims.claiming(dataset, lasts[dataset], _CLAIM_SECONDS) for dataset in due)
    for dataset, claim in zip(due, together(snapshots.connection(), *claimed), strict=True):
        token = claims.claim(dataset, _CLAIM_SECONDS) if claim is True else claim
        if token:
            interval, wait = due[dataset]
            later = {"countdown": wait} if wait else {}
            fetch.apply_async((dataset.name, token, interval), expires=expiries[dataset], **later)


def _wait(fetched_at: int | None, next_try: int | None, interval: float, now: int) -> float:
    """Seconds until a dataset is due. One that was fetched later than now is due: the clock has been set back."""
    fresh = 0.0 if fetched_at is None or ahead(fetched_at, now) else fetched_at + interval * 1000
    return max(0.0, fresh - now, (next_try or 0) - now) / 1000


def _due_after(
    dataset: Dataset, interval: float, stored: Facts | None, coins: Mapping[Dataset, Collection[str]]
) -> float:
    """The age in seconds from which a dataset is due: its interval, but soon where clients wait for coins that the last
    fetch did not ask for."""
    if not dataset.traits.by_id or stored is None:
        return interval
    asked = set(stored.meta.get("asked", ()))
    if len(asked) >= most_coins() or asked.issuperset(coins[dataset]):
        return interval
    return min(interval, max(_SOONEST_SECONDS, interval / 30))


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
    ours, context = together(
        snapshots.connection(), claims.taking_over(dataset, token, _CLAIM_SECONDS), context_of(dataset)
    )
    if ours is None:
        return  # delivered twice, or so late that another task has the claim
    try:
        refresh(dataset, context, interval)
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
        claims.release(dataset, ours)


def refresh(dataset: Dataset, context: Context | None = None, interval: float | None = None) -> int:
    """Fetch one dataset now and store it; returns its version. Raises `ProviderError`, `NotFound` for an unknown coin
    or currency.

    The stored pace is that of its actual source, so that the first real data after a demo have the real pace at once;
    of the source before, that of the plan (`interval`). New prices are compared with those in place, and coins get
    their category.
    """
    context = context or context_of(dataset).run(snapshots.connection())
    before, ids = context.before, _checked(dataset, context)
    if dataset.traits.on_demand:
        fetched = documents.fetch(dataset, [one for one in _wanted() if not one.traits.on_demand])
    else:
        fetched = _fetch(dataset, ids, context)
    if ids:
        fetched = replace(fetched, meta={**fetched.meta, "asked": ids})  # those without a row have no price
    if (pace := fetched.lasts) is None:
        if interval is None or before is None or before.source != fetched.source:
            interval = paces([*_wanted(), dataset], simulated=fetched.simulated)[dataset.name]
        pace = interval
    with tracing.span("publish", dataset=dataset.name, source=fetched.source):
        return snapshots.save(_completed(fetched, pace, context) if dataset.traits.coins else fetched, pace)


def _completed(fetched: Fetched, pace: float, context: Context) -> Fetched:
    """The coins with their category and with the age of their own price."""
    labelled = categories.labelled(fetched, context.members if fetched.simulated == (context.realm == "demo") else None)
    limit = snapshots.max_age_ms(pace, fetched.settle_ms)
    return replace(labelled, rows=list(aged(labelled.rows, fetched.fetched_at, limit)))


def _checked(dataset: Dataset, context: Context) -> list[str]:
    """Check the dataset's currency and coins against the lists; returns the coins to ask for by id."""
    if dataset.currency:
        _require(CURRENCIES, dataset.currency, context)
    if dataset.coin:
        _require(COINS, dataset.coin, context)
    if not dataset.traits.by_id:
        return []
    wanted, listed = context.coins, _ids(COINS, context)
    if not any(coin in listed for coin in wanted):
        raise _unknown_coin(wanted[0]) if wanted else _not_found("No coin is asked for.")
    return [coin for coin in wanted if coin in listed]


def _require(listing: Dataset, name: str, context: Context) -> None:
    if name not in _ids(listing, context):
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


def _ids(listing: Dataset, context: Context) -> frozenset[str]:
    """The ids on a list; a list that was never fetched is fetched first, by one task."""
    if (listed := context.lists[listing]) is not None:
        return listed
    if (token := claims.claim(listing, _CLAIM_SECONDS)) is None:
        message = f"The list of {listing.name} is just being fetched."
        raise Unavailable(message, retry_after=2, public=message)
    try:
        refresh(listing)
    finally:
        claims.release(listing, token)
    snapshot = snapshots.load(listing)
    return frozenset(row["id"] for row in snapshot.rows) if snapshot else frozenset()


def _fetch(dataset: Dataset, ids: list[str], context: Context) -> Fetched:
    """Fetch from the real providers, or from the simulated one, by SPOT_DEMO.

    `auto` shows the demo only while this store has never held real data and the providers cannot be reached or refuse
    the key; it goes on asking them.
    """
    mode, before = settings.SPOT_DEMO, context.before if dataset.traits.coins else None
    if mode == "on":
        return fetching.fetch(dataset, ids, simulated=True, before=before)
    if mode == "off" or context.realm == "live":
        return fetching.fetch(dataset, ids, before=before, prospects=context.prospects)
    if context.is_out_of_reach:
        return fetching.fetch(dataset, ids, simulated=True, before=before)
    try:
        return fetching.fetch(dataset, ids, tries=1, before=before, prospects=context.prospects)
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
