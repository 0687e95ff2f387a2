"""Operators are told, by e-mail and webhook, when data turn stale, a month's budget will not last, a key is refused, or
a provider is left alone; and when that is over.

What they know is in Redis, so that of several workers one tells, once. A message that cannot be handed over stays to be
told with the next look: e-mails are sent before it is noted, webhooks go into the outbox under an id that repeats
itself.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from smtplib import SMTPException
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from redis.exceptions import LockError
from redis.lock import Lock

import providers
from providers import access
from providers.access import Access
from providers.breaker import Breaker
from providers.budget import Budget, month_of
from providers.datasets import Dataset
from providers.stored import record_of
from spot import snapshots
from spot.alerts.episodes import Episode, Message, Patience, Trouble, step
from spot.alerts.models import Alert, Delivery, Target
from spot.query.jsontext import dumps
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

_STATE, _LOCK = "spot:alerts:operators", "spot:alerts:operators-lock"
#: A look ends well before, unless the mail server hangs; then another worker may look.
_LOCK_SECONDS = 60.0
_KEPT_SECONDS = 30 * 86_400
_SECOND, _DAY = 1000, 86_400_000
#: The ids of webhooks are made of this and of what they say.
_NAMESPACE = uuid.UUID("5d1c6a5e-0f0b-4a86-9d8e-3c1d8f1a7b42")
#: A month's use is projected once it has been counted for so long, and told from so far above the allowance.
_COUNTED_MS, _ABOVE = 2 * _DAY, 1.1


@dataclass(frozen=True, slots=True)
class Rule:
    """What operators are told of: its name in messages, what it means, for how many seconds it lasts before it is told
    and is gone before it is over, and the troubles of now by subject."""

    name: str
    meaning: str
    before: int
    after: int
    find: Callable[[int], Iterator[tuple[str, Trouble]]]


def _stale(now: int) -> Iterator[tuple[str, Trouble]]:
    """Data that somebody looks at and that are stale or cannot be fetched, by kind and currency."""
    wanted = [one for one in snapshots.wanted() if not (one.traits.streamed or one.traits.on_demand)]
    facts = snapshots.facts(wanted)
    grouped: dict[str, list[Dataset]] = defaultdict(list)
    worst: dict[str, tuple[int, str]] = {}
    for dataset in wanted:
        known, trouble = facts[dataset.name]
        if known.stale(now) if known is not None else trouble is not None and not trouble.permanent:
            subject = " in ".join(filter(None, (dataset.kind, dataset.currency)))
            grouped[subject].append(dataset)
            age = (known.age_ms(now) or 0) if known else 0
            worst[subject] = max(worst.get(subject, (-1, "")), (age, trouble.message if trouble else ""))
    for subject, datasets in grouped.items():
        age, why = worst[subject]
        state = f"are stale, {_span(age)} old" if age else "cannot be fetched, or are of an unknown age"
        of = "" if len(datasets) == 1 else f" ({len(datasets)} of them)"
        reason = f": {why}" if why else "; no fetch has failed, so that worker or beat may be missing."
        yield subject, Trouble(f"{subject.capitalize()}{of} {state}{reason}", f"{subject.capitalize()}: fresh again.")


def _budgets(now: int) -> Iterator[tuple[str, Trouble]]:
    """Keys whose month is used up, or will be before it ends."""
    budget, (start, end) = Budget(snapshots.connection()), month_of(now)
    for entry in _accounts():
        limit, usage = entry.per_month, budget.usage(entry)
        since = max(start, min(usage.since or now, now))
        if not limit or usage.refused:
            continue
        name = _name(entry)
        over = f"{name}: the month's allowance lasts again."
        if usage.month >= limit:
            yield entry.account, Trouble(f"{name}: the month's {limit:,} calls or credits are used up.", over)
        elif now - since >= _COUNTED_MS:
            rate = usage.month / (now - since)
            if usage.month + rate * (end - now) > _ABOVE * limit:
                day = datetime.fromtimestamp((now + (limit - usage.month) / rate) / 1000, UTC).date()
                yield (
                    entry.account,
                    Trouble(f"{name}: at this rate the month's {limit:,} calls or credits are used up on {day}.", over),
                )


def _refused(_now: int) -> Iterator[tuple[str, Trouble]]:
    """Keys that their provider refuses."""
    entries = _accounts()
    for standing in Budget(snapshots.connection()).standings(entries):
        if standing.refused:
            name = _name(standing.access)
            yield (
                standing.access.account,
                Trouble(f"{name}: the key is refused.", f"{name}: the key is accepted."),
            )


def _left_alone(_now: int) -> Iterator[tuple[str, Trouble]]:
    """Providers whose breaker is open."""
    labels = {one.name: one.label for one in providers.all() if not one.simulated}
    for name, breaker in Breaker(snapshots.connection()).states(labels).items():
        if breaker.state != "closed":
            _, _, why = breaker.reason.partition(" ")
            sentence = f"{labels[name]} is left alone after {breaker.failures} failures: {why or breaker.reason}"
            yield name, Trouble(sentence, f"{labels[name]} is asked again.")


RULES = (
    Rule("stale", "data that somebody looks at are stale", 60, 60, _stale),
    Rule("budget", "a month's allowance is used up, or will be before the month ends", 0, 3600, _budgets),
    Rule("refused", "a provider refuses a key", 0, 60, _refused),
    Rule("breaker", "a provider is left alone after failures", 30, 120, _left_alone),
)
_PATIENCE = {rule.name: Patience(rule.before * _SECOND, rule.after * _SECOND) for rule in RULES}


def look() -> list[Message]:
    """Look for troubles, and tell what is new: the messages. One worker looks at a time; another returns at once.

    Raises `DatabaseError`, `OSError` or `SMTPException` when a message cannot be handed over; it is told later.
    """
    targets = list(Target.objects.filter(enabled=True, for_operators=True))
    if not targets and not settings.SPOT_OPERATORS:
        return []
    lock = Lock(snapshots.connection(), _LOCK, timeout=_LOCK_SECONDS, blocking=False)
    if not lock.acquire():
        return []
    try:
        return _tell_news(targets, now_ms())
    finally:
        try:
            lock.release()
        except LockError:
            log.warning("operators told late", seconds=_LOCK_SECONDS)


def _tell_news(targets: Sequence[Target], now: int) -> list[Message]:
    troubles = {f"{rule.name}:{subject}": trouble for rule in RULES for subject, trouble in rule.find(now)}
    known = _known()
    episodes, messages = step(known, troubles, _PATIENCE, now)
    if messages:
        # As long as they are not handed over, their beginnings are noted, by which webhooks are known again.
        keys = [message.key for message in messages]
        untold = {key: replace(episodes[key], told=False) if key in episodes else known[key] for key in keys}
        _note({**episodes, **untold})
        _post(messages, targets, now)
        _mail(messages)
        for message in messages:
            log.warning("operators told", about=message.key, outcome=message.event, sentence=message.sentence)
    _note(episodes)
    return messages


def _known() -> dict[str, Episode]:
    text: Any = snapshots.connection().get(_STATE)
    return {key: record_of(Episode, fields) for key, fields in orjson.loads(text).items()} if text else {}


def _note(episodes: Mapping[str, Episode]) -> None:
    text = orjson.dumps({key: asdict(episode) for key, episode in episodes.items()})
    snapshots.connection().set(_STATE, text, ex=_KEPT_SECONDS)


def _post(messages: Sequence[Message], targets: Sequence[Target], now: int) -> None:
    """Put a webhook for each message and target into the outbox; one that is there already stays as it is."""
    with transaction.atomic():
        for message in messages:
            rule, _, subject = message.key.partition(":")
            alert_id = uuid.uuid5(_NAMESPACE, f"{message.key} {message.since} {message.event}")
            body = {
                "id": str(alert_id),
                "type": "operator",
                "event": message.event,
                "about": rule,
                "subject": subject,
                "sentence": message.sentence,
                "since": message.since,
                "fired_at": now,
            }
            alert, _ = Alert.objects.get_or_create(
                id=alert_id,
                defaults={
                    "rule_name": f"operators: {rule}",
                    "event": message.event,
                    "key": subject[:120],
                    "fired_at": now,
                    "body": dumps(body).decode(),
                },
            )
            for target in targets:
                Delivery.objects.get_or_create(alert=alert, target=target, defaults={"due_at": now})


def _mail(messages: Sequence[Message]) -> None:
    """Send one e-mail with all messages. Raises `OSError` or `SMTPException`."""
    if not settings.SPOT_OPERATORS or not settings.EMAIL_HOST:
        return
    first = messages[0].sentence
    subject = first if len(messages) == 1 else f"{first} (and {len(messages) - 1} more)"
    lines = [
        f"{message.event.capitalize()}, since {_moment(message.since)}: {message.sentence}" for message in messages
    ]
    subject = f"[Spot {_site()}] {' '.join(subject.split())[:150]}"
    EmailMessage(subject, "\n\n".join(lines) + "\n", to=settings.SPOT_OPERATORS).send()


def _accounts() -> list[Access]:
    real = [provider for provider in providers.all() if not provider.simulated]
    return [entry for provider in real for entry in access.all_of(provider)] if settings.SPOT_DEMO != "on" else []


def _name(entry: Access) -> str:
    return f"{entry.provider.label} ({entry.key_name})"


def _site() -> str:
    """The name of this site in subjects."""
    name: str = settings.ALLOWED_HOSTS[0]
    return name.removeprefix(".")


def _span(ms: int) -> str:
    for unit, length in (("days", _DAY), ("h", 3_600_000), ("min", 60_000)):
        if ms >= 2 * length:
            return f"{ms // length} {unit}"
    return f"{ms // 1000} s"


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


#: With which a message cannot be handed over.
FAILURES = (OSError, SMTPException)
