"""One try to fetch a dataset from one provider with one key: reserve, call, normalise, check, settle, log."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypedDict, TypeVar

import structlog
from redis import Redis

from providers import cells, client, identity, ledger, tracing
from providers.access import Access
from providers.base import Answer, Call, Endpoint, Normalised
from providers.budget import Budget, Reservation
from providers.datasets import Dataset, Fetched, Row
from providers.errors import BadPayload, NotFound, ProviderError
from providers.metrics import ATTEMPTS, BYTES, CALLS, CREDITS, SECONDS, counts
from providers.pacing import pinned
from providers.pipelines import Commands, together, write
from providers.plausible import Before, Doubt, Doubts, judge

log = structlog.get_logger("providers.fetch")
Ended = TypeVar("Ended")


class Rank(TypedDict):
    """The arguments of `Budget.spend` for how much calls matter."""

    urgent: bool
    behind: int


def rank(dataset: Dataset) -> Rank:
    """How much fetches of that dataset matter to the budget. Lists and the market in a pinned currency are urgent; what
    clients ask for one by one leaves room for them."""
    traits = dataset.traits
    urgent = traits.urgent == "always" or (traits.urgent == "pinned" and pinned(dataset))
    return {"urgent": urgent, "behind": traits.behind}


@dataclass(frozen=True, slots=True)
class Question:
    """The wanted dataset; the coins of a `quotes` dataset, by our ids; the snapshot in place; and how often one call
    may be sent when it fails in a way that may pass (1: no retry). `rate`: the calls a second that all such fetches may
    make together."""

    dataset: Dataset
    ids: tuple[str, ...] = ()
    before: Before | None = None
    tries: int = 3
    rate: float = math.inf


@dataclass(slots=True)
class _Counts:
    """The counts of an attempt, for its log line."""

    sent: int = 0
    credits: int = 0
    size: int = 0
    status: int | None = None  # of the last answer
    unmapped: int = 0
    implausible: int = 0
    cells: Counter[str] = field(default_factory=Counter)  # of these the single values, by field


class Attempt:
    """One try. `deadline` is on the monotonic clock; `redis` stores the budget and the doubts; `doubts` are those of
    the dataset, if they are known. `run` leaves what a success writes to `finish`, which joins it with the caller's."""

    def __init__(
        self,
        entry: Access,
        endpoint: Endpoint,
        question: Question,
        redis: Redis,
        now_ms: Callable[[], int],
        deadline: float,
        doubts: Mapping[str, Doubt] | None = None,
    ) -> None:
        self._entry, self._endpoint, self._question = entry, endpoint, question
        self._provider = entry.provider
        self._redis, self._now_ms, self._deadline, self._doubts = redis, now_ms, deadline, doubts
        self._budget = Budget(redis, now_ms)
        self._counts = _Counts()
        self._reservations: list[tuple[Reservation, int]] = []  # and the credits expected
        self._settling: list[Commands[None]] = []
        self._success: tuple[float, dict[str, int]] | None = None  # when it began, and its counts of rows

    @property
    def sent(self) -> int:
        """The calls that were sent; a failure before the first is not the provider's."""
        return self._counts.sent

    def run(self) -> Fetched:
        """The dataset, whole. ProviderError."""
        with tracing.span("attempt", provider=self._provider.name, dataset=self._question.dataset.name):
            return self._run()

    def _run(self) -> Fetched:
        dataset, ids = self._theirs()
        calls = self._endpoint.calls(dataset, ids, self._now_ms())
        self._reserve(calls)
        started = time.monotonic()
        try:
            answer, at = self._normalised(dataset, calls)
        except ProviderError as error:
            rest_s = round(self._budget.failed(self._entry, error))
            self._log(error, started, write(), {}, rest_s)
            raise
        else:
            rows = {"rows": len(answer.rows), "dropped": answer.dropped, "blanked": answer.blanked}
            self._success = started, rows
            return self._fetched(answer, at)
        finally:
            if self._success is None:
                together(self._redis, *self._settlements())

    def finish(self, more: Commands[Ended]) -> Ended:
        """Write what a success leaves behind, and log it; the result of the caller's part of that round trip."""
        assert self._success is not None, "only after `run`"
        started, rows = self._success
        return self._log(None, started, more, rows)

    # --- ids ------------------------------------------------------------------------------------------------------
    def _theirs(self) -> tuple[Dataset, tuple[str, ...]]:
        """The dataset and the coins by the provider's own ids."""
        dataset, ids = self._question.dataset, self._question.ids
        if not self._provider.foreign or not (ids or dataset.coin):
            return dataset, ids
        theirs = identity.foreign(self._provider.name, ids or (dataset.coin,))
        if not theirs:
            message = f"{self._provider.label} is not known to have {dataset.coin or 'any of these coins'}"
            raise NotFound(message, permanent=False)
        self._counts.unmapped += len(ids or (dataset.coin,)) - len(theirs)
        coins = tuple(theirs[coin] for coin in ids if coin in theirs)
        return replace(dataset, coin=theirs.get(dataset.coin, "")), coins

    def _ours(self, rows: list[Row]) -> list[Row]:
        """The rows by our ids, each coin once, without coins of uncertain identity."""
        if not self._provider.foreign or not self._question.dataset.traits.coin_ids:
            return rows
        ours = identity.canonical(self._provider.name, [row.get("id") or "" for row in rows])
        translated: dict[str, Row] = {}
        for row in rows:
            if (coin := ours.get(row.get("id") or "")) is not None:
                translated.setdefault(coin, {**row, "id": coin})
        self._counts.unmapped += len(rows) - len(translated)
        if rows and not translated:
            raise NotFound(f"none of {len(rows)} coins of {self._provider.label} is known here yet", permanent=False)
        return list(translated.values())

    # --- calls ----------------------------------------------------------------------------------------------------
    def _normalised(self, dataset: Dataset, calls: tuple[Call, ...]) -> tuple[Normalised, int]:
        try:
            at = self._now_ms()
            answer = self._endpoint.normalise(dataset, self._answers(calls))
        finally:
            self._settle()
        if dataset.traits.market and answer.dropped > len(answer.rows):
            raise BadPayload(f"{answer.dropped} of {answer.dropped + len(answer.rows)} coins are unreadable")
        ours = self._ours(answer.rows)
        rows = self._asked_for(ours)
        return replace(answer, rows=self._plausible(rows, at), dropped=answer.dropped + len(ours) - len(rows)), at

    def _answers(self, calls: tuple[Call, ...]) -> list[Answer]:
        """All answers or none: a page that fails fails the fetch."""
        answers: list[Answer] = []
        for call in calls:
            self._counts.sent += 1
            left = min(client.TOTAL_SECONDS, self._deadline - time.monotonic())
            may_retry = partial(self._retry, call)
            tries, refusals = self._question.tries, self._endpoint.refusals
            with tracing.span("provider call", provider=self._provider.name, path=call.full_path):
                answer = client.fetch_json(
                    self._entry, call, tries=tries, may_retry=may_retry, seconds=left, refusals=refusals
                )
                tracing.note(status=answer.status, bytes=answer.size)
            answer = replace(answer, at=self._now_ms())
            self._counts.size += answer.size
            self._counts.status = answer.status
            self._pay(call, answer)
            if error := self._provider.fault(answer):
                error.message = client.scrub(error.message, self._entry)
                error.args = (error.message,)
                raise error
            answers.append(answer)
            if self._endpoint.ended(call, answer):
                break
        return answers

    def _asked_for(self, rows: list[Row]) -> list[Row]:
        """The rows of the coins that were asked for; BadPayload when there are only others."""
        if not self._question.ids:
            return rows
        wanted = set(self._question.ids)
        matching = [row for row in rows if row.get("id") in wanted]
        if not matching:
            raise BadPayload("other coins than those asked for")
        return matching

    def _plausible(self, rows: list[Row], at: int) -> list[Row]:
        """The plausible rows. Simulated prices are not compared with real ones, nor the other way round."""
        dataset, before, memory = self._question.dataset, self._question.before, Doubts(self._redis)
        if not dataset.traits.coins or (before and before.simulated != self._provider.simulated):
            before = None
        doubts = self._doubts or {}
        if self._doubts is None and dataset.traits.coins and not self._provider.simulated:
            doubts = memory.of(dataset)
        rows = self._sound(rows, at)
        judged = judge(dataset, rows, before, doubts, self._provider.name, at)
        self._counts.implausible = judged.dropped + self._counts.cells.total()
        if judged.doubts != doubts and not self._provider.simulated:
            memory.keep(dataset, judged.doubts)
        if rows and not judged.rows:
            raise BadPayload(f"nothing in the answer can be true ({len(rows)} rows)")
        return judged.rows

    def _sound(self, rows: list[Row], at: int) -> list[Row]:
        """The rows without impossible single values."""
        dataset = self._question.dataset
        if dataset.traits.cells == "coin":
            rows, self._counts.cells = cells.blanked(rows, dataset.currency)
        elif dataset.traits.cells == "candle":
            rows, self._counts.cells = cells.candles(rows, dataset.currency, at)
        return rows

    # --- budget ---------------------------------------------------------------------------------------------------
    def _reserve(self, calls: tuple[Call, ...]) -> None:
        expected = sum(call.credits for call in calls)
        how, rate = rank(self._question.dataset), self._question.rate
        reservation = self._budget.spend(self._entry, len(calls), expected, rate=rate, **how)
        self._reservations.append((reservation, expected))

    def _retry(self, call: Call) -> None:
        self._reserve((call,))
        self._counts.sent += 1

    def _pay(self, call: Call, answer: Answer) -> None:
        if answer.status != 200:
            return
        charged = self._provider.charged(answer)
        self._counts.credits += call.credits if charged is None else charged

    def _settle(self) -> None:
        """Only answers with a 200 are billed: their cost is taken from the reservations, oldest first, and what exceeds
        the expected cost from the last."""
        left = self._counts.credits
        for at, (reservation, expected) in enumerate(self._reservations, 1):
            cost = min(left, expected) if at < len(self._reservations) else left
            self._settling.append(self._budget.settling(reservation, cost))
            left -= cost

    def _settlements(self) -> list[Commands[None]]:
        """What is to be settled, once."""
        settling, self._settling = self._settling, []
        return settling

    # --- the result -----------------------------------------------------------------------------------------------
    def _fetched(self, answer: Normalised, at: int) -> Fetched:
        return Fetched(
            dataset=self._question.dataset,
            rows=answer.rows,
            # Data are never newer than the request: a provider's clock that is ahead must not make them look fresh.
            as_of=min(answer.as_of, at) if answer.as_of is not None else None,
            fetched_at=at,
            source=self._provider.name,
            label=self._provider.label,
            simulated=self._provider.simulated,
            calls=self._counts.sent,
            settle_ms=round(self._endpoint.cache(self._entry.plan) * 1000) if self._entry.usual_address else 0,
            meta=answer.meta,
            lasts=self._lasts(answer.rows, at),
        )

    def _lasts(self, rows: list[Row], at: int) -> float | None:
        rule = self._endpoint.lasts
        return None if rule is None else rule(self._question.dataset, rows, self._entry.plan.paid, at)

    def _log(
        self,
        error: ProviderError | None,
        started: float,
        more: Commands[Ended],
        rows: Mapping[str, int],
        rest_s: int = 0,
    ) -> Ended:
        """Write the log line of the attempt, its outcome for the admin, and what it has cost, with another part of that
        round trip."""
        took = time.monotonic() - started
        outcome: dict[str, Any] = {"outcome": error.code if error else "ok", "calls": self._counts.sent}
        status = self._counts.status
        if error:
            outcome |= {"message": error.message, "rest_s": rest_s}
            status = error.status or status
        subject = {"dataset": self._question.dataset.name, "provider": self._provider.name}
        entry, now = self._entry, self._now_ms()
        noted = {"at": now, **subject, **outcome, "ms": round(took * 1000)}
        millicredits = round(self._counts.credits * 1000)
        *_, credits_left, ended = together(
            self._redis,
            *self._settlements(),
            write() if error else self._budget.success(entry),
            self._budget.noting(entry, noted),
            ledger.counting(entry, self._counts.sent, millicredits, int(error is not None), now),
            self._budget.leaving(entry),
            more,
        )
        counts: dict[str, Any] = {"unmapped": self._counts.unmapped, "implausible": self._counts.implausible, **rows}
        answered = {"status": status, "seconds": round(took, 3), "bytes": self._counts.size}
        spent = {"account": entry.account, "credits": self._counts.credits, "credits_left": credits_left}
        if self._counts.cells:
            counts["implausible_values"] = ", ".join(f"{name} {n}" for name, n in self._counts.cells.most_common())
        (log.warning if error else log.info)("fetch", **subject, **outcome, **answered, **spent, **counts)
        self._count(outcome["outcome"], took)
        result: Ended = ended
        return result

    def _count(self, outcome: str, seconds: float) -> None:
        """Count the attempt for the metrics."""
        name = self._provider.name
        counts.add(ATTEMPTS, name, self._question.dataset.kind, outcome)
        counts.add(CALLS, name, amount=self._counts.sent)
        counts.add(CREDITS, name, amount=round(self._counts.credits * CREDITS.scale))
        counts.add(BYTES, name, amount=self._counts.size)
        counts.observe(SECONDS, seconds, name)
