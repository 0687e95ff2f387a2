"""A dataset from whoever can serve it: what `spot.tasks` calls.

`fetch` walks the providers in their order, spends their budget, asks, normalises, and writes one log line a try.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from redis import Redis

from providers import access, chains, client
from providers.access import Access
from providers.base import Answer, Call, Endpoint, Normalised
from providers.budget import Budget, Reservation, connection, wall_ms
from providers.datasets import Dataset, Fetched, Kind, is_coin_id
from providers.errors import BadPayload, NotFound, ProviderError

log = structlog.get_logger("providers.fetch")

#: All calls of one fetch together; below the time limit of the task around it.
TOTAL_SECONDS = 22.0
#: The polls that everything else waits for; what clients ask for one by one leaves them room.
_URGENT: frozenset[Kind] = frozenset({"markets", "currencies", "coins"})


def fetch(
    dataset: Dataset,
    ids: Iterable[str] = (),
    simulated: bool = False,
    *,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_ms,
    tries: int = 3,
) -> Fetched:
    """The dataset, whole, from the first provider in order that delivers it; `simulated` picks the simulated ones.

    `ids` are the coins of a `quotes` dataset. `tries` is how often one call may be sent when it fails in a way that may
    pass (1: never again). Raises the last provider's ProviderError; there is never a part of a dataset.
    """
    wanted = tuple(dict.fromkeys(ids))
    _check_form(dataset, wanted)
    failure: ProviderError = NotFound(f"no provider serves {dataset.kind}")
    for provider, endpoint in chains.of(dataset.kind, simulated):
        if dataset.kind == "assets" and dataset.topic != provider.name:
            continue  # what one provider lists, no other can tell
        entry = access.of(provider)
        if not entry.enabled:
            failure = NotFound(f"{provider.label} is switched off")
            continue
        try:
            return _Fetch(entry, endpoint, dataset, wanted, Budget(redis or connection(), now_ms), now_ms, tries).run()
        except ProviderError as error:
            failure = error
    raise failure


def _check_form(dataset: Dataset, ids: tuple[str, ...]) -> None:
    """Once more, however sure the caller is: only what has the form of a coin or currency comes near a URL."""
    try:
        known = Dataset.parse(dataset.name) == dataset
    except ValueError:
        known = False
    if not known or not all(isinstance(coin, str) and is_coin_id(coin) for coin in ids):
        raise NotFound("that is no coin or currency")
    if (dataset.kind == "quotes") != bool(ids):
        raise NotFound("quotes, and only they, are asked for by id")


class _Fetch:
    """One try at one provider: reserve, call, normalise, settle, tell."""

    def __init__(
        self,
        entry: Access,
        endpoint: Endpoint,
        dataset: Dataset,
        ids: tuple[str, ...],
        budget: Budget,
        now_ms: Callable[[], int],
        tries: int,
    ) -> None:
        self._entry, self._endpoint, self._dataset, self._ids = entry, endpoint, dataset, ids
        self._budget, self._now_ms, self._tries = budget, now_ms, tries
        self._sent = self._paid = self._size = 0
        self._reservations: list[Reservation] = []

    def run(self) -> Fetched:
        calls = self._endpoint.calls(self._dataset, self._ids)
        self._reserve(len(calls))
        started = time.monotonic()
        try:
            made, at = self._made(calls)
        except ProviderError as error:
            self._tell(error, started)
            raise
        self._budget.succeeded(self._entry)
        self._tell(None, started, rows=len(made.rows), dropped=made.dropped, blanked=made.blanked)
        return self._fetched(made, at)

    def _made(self, calls: tuple[Call, ...]) -> tuple[Normalised, int]:
        try:
            at = self._now_ms()
            made = self._believed(self._endpoint.normalise(self._dataset, self._answers(calls)))
        finally:
            self._settle()
        return made, at

    def _answers(self, calls: tuple[Call, ...]) -> list[Answer]:
        """All answers or none: a page that fails fails the fetch."""
        answers: list[Answer] = []
        deadline = time.monotonic() + TOTAL_SECONDS
        for call in calls:
            left = deadline - time.monotonic()
            self._sent += 1
            answer = client.fetch_json(
                self._entry, call, tries=self._tries, may_retry=self._retry, seconds=min(client.TOTAL_SECONDS, left)
            )
            self._paid += 1
            self._size += answer.size
            answers.append(answer)
            if self._endpoint.ended(call, answer):
                break
        return answers

    def _believed(self, made: Normalised) -> Normalised:
        """Rows that were not asked for are dropped: an answer to another question is no answer."""
        if not self._ids:
            return made
        rows = [row for row in made.rows if row["id"] in self._ids]
        if not rows:
            raise BadPayload("other coins than those asked for")
        return Normalised(rows, made.as_of, made.meta, made.dropped + len(made.rows) - len(rows), made.blanked)

    def _reserve(self, calls: int) -> None:
        urgent = self._dataset.kind in _URGENT
        self._reservations.append(self._budget.spend(self._entry, calls, urgent=urgent))

    def _retry(self) -> None:
        self._reserve(1)
        self._sent += 1

    def _settle(self) -> None:
        """Only answers with a 200 are paid for; what they cost is taken from the reservations, oldest first."""
        paid = self._paid
        for reservation in self._reservations:
            cost = min(paid, reservation.calls)
            self._budget.settle(reservation, cost)
            paid -= cost

    def _fetched(self, made: Normalised, at: int) -> Fetched:
        return Fetched(
            dataset=self._dataset,
            rows=made.rows,
            # Data cannot be newer than the question: a provider's clock that is ahead must not make them look fresh.
            as_of=min(made.as_of, at) if made.as_of is not None else None,
            fetched_at=at,
            source=self._entry.provider.name,
            label=self._entry.provider.label,
            simulated=self._entry.provider.simulated,
            calls=self._sent,
            settle_ms=round(self._endpoint.cache(self._entry.plan) * 1000) if self._entry.usual_address else 0,
            meta=made.meta,
        )

    def _tell(self, error: ProviderError | None, started: float, **counts: int) -> None:
        """The one line in the log, and the one in the admin."""
        took = round((time.monotonic() - started) * 1000)
        outcome: dict[str, Any] = {"outcome": error.code if error else "ok", "calls": self._sent, "ms": took}
        if error:
            outcome |= {"message": error.message, "rest_s": round(self._budget.failed(self._entry, error))}
        subject = {"dataset": self._dataset.name, "provider": self._entry.provider.name}
        (log.warning if error else log.info)("fetch", **subject, **outcome, bytes=self._size, **counts)
        self._budget.note(self._entry, {"at": self._now_ms(), **subject, **outcome})
