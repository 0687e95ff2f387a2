"""The evaluation of rules: new answers of their views, what fires, and the outbox that it goes to.

A rule's new state and its alerts are written in one transaction, which changes nothing when another worker has written
meanwhile. So an alert is neither lost nor repeated, wherever a worker ends.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction

from spot import snapshots
from spot.alerts import memory, readings
from spot.alerts.conditions import Firing, State, step
from spot.alerts.memory import Seen
from spot.alerts.models import Alert, Delivery, Rule, Standing
from spot.alerts.readings import Newest, Reading
from spot.codes import Refused
from spot.feeds.view import View
from spot.query.jsontext import dumps
from spot.snapshots import now_ms

log = structlog.get_logger(__name__)

#: The most alerts of a rule for one answer; the last of them says how many more rows fulfilled the condition.
MOST_AT_ONCE = 50
#: Views of rules are wanted this often.
_WANT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Watched:
    """A view and the rules on it."""

    digest: str
    view: View
    rules: list[Rule]


@dataclass(frozen=True, slots=True)
class Due(_Watched):
    """A view with the rules to evaluate; `fresh`: its data are new."""

    fresh: bool


def due() -> list[Due]:
    """The rules to evaluate now: those whose view has news, that are new, or that watch the time."""
    watched = _watched()
    _want(watched)
    heads = snapshots.heads([dataset for one in watched for dataset in one.view.datasets])
    seen = memory.seen(one.digest for one in watched)
    found = []
    for one in watched:
        news = readings.newest(one.view, heads)
        fresh = news != seen[one.digest]
        rules = one.rules if fresh else [rule for rule in one.rules if rule.kind == "stale" or _is_new(rule)]
        if news and rules:
            found.append(Due(one.digest, one.view, rules, fresh))
    return found


def _is_new(rule: Rule) -> bool:
    """Whether a rule, as it is now, has never been evaluated."""
    return _standing(rule).signature != rule.signature


def _watched() -> list[_Watched]:
    """The views of all enabled rules, each once."""
    views: dict[str, _Watched] = {}
    for rule in Rule.objects.filter(enabled=True).select_related("standing"):
        digest = rule.view_digest
        if digest not in views:
            try:
                views[digest] = _Watched(digest, readings.rule_view(rule.feed, rule.parameters), [])
            except Refused as refused:  # valid when it was saved, and no longer, such as after a change of a setting
                _note_problem(rule, refused.message)
                continue
        views[digest].rules.append(rule)
    return list(views.values())


def _want(watched: Sequence[_Watched]) -> None:
    """Have the datasets of these views fetched, as for somebody who looks at them."""
    if not watched or not snapshots.first_in("alerts-wanted", _WANT_SECONDS):
        return
    coins: dict[str, list[str]] = {}
    datasets = []
    for one in watched:
        for dataset in one.view.datasets:
            if not dataset.traits.by_id:
                datasets.append(dataset)
            elif missing := _missing_coins(one.view):
                datasets.append(dataset)
                coins.setdefault(dataset.currency, []).extend(missing)
    snapshots.want(datasets, coins)


def _missing_coins(view: View) -> list[str]:
    market = snapshots.load(view.datasets[0], charts=False)
    return readings.lacking(view, view.feed.table(market.rows)) if market else []


def evaluate(one: Due, store: Newest) -> int:
    """Evaluate the rules that are due on one view; how many alerts fired."""
    reading = readings.read(one.view, store)
    if reading is None:
        return 0
    before, now = memory.last(one.digest), now_ms()
    fired = sum(_settle(rule, reading, before, now) for rule in one.rules)
    if one.fresh:
        memory.note(one.digest, Seen(reading.versions, reading.keys, reading.page.data))
    return fired


def _settle(rule: Rule, reading: Reading, before: Seen, now: int) -> int:
    """Write the state of a rule after an answer, and the alerts that fired, if no other worker has."""
    condition, signature = rule.condition, rule.signature
    try:
        field = readings.rule_field(reading.view.feed, condition.kind, rule.field)
    except Refused as refused:
        _note_problem(rule, refused.message)
        return 0
    standing = _standing(rule)
    samples = memory.samples(rule.pk, signature) if condition.kind == "change" else {}
    state = standing.read(signature, samples)
    after, firings = step(condition, state, reading.answer(condition.kind, field, now, state.sides))
    stored = after.stored()
    if firings or standing.problem or standing.signature != signature or stored != standing.state:
        with transaction.atomic():
            changed = Standing.objects.filter(pk=standing.pk, serial=standing.serial).update(
                serial=standing.serial + 1, signature=signature, state=stored, problem=""
            )
            if not changed:
                return 0
            _fire(rule, reading, before, now, firings)
    if condition.kind == "change":
        memory.note_samples(rule.pk, signature, after.samples)
    return len(firings)


def _standing(rule: Rule) -> Standing:
    try:
        return rule.standing
    except Standing.DoesNotExist:
        return Standing.objects.get_or_create(rule=rule)[0]


def _fire(rule: Rule, reading: Reading, before: Seen, now: int, firings: Sequence[Firing]) -> None:
    """Put alerts into the outbox, with a delivery to each target of the rule."""
    if not firings:
        return
    rows = reading.rows()
    targets = list(rule.targets.filter(enabled=True))
    for place, firing in enumerate(firings[:MOST_AT_ONCE]):
        last = place == MOST_AT_ONCE - 1
        more = len(firings) - MOST_AT_ONCE if last else 0
        alert = Alert(
            id=uuid.uuid4(),
            rule=rule,
            rule_name=rule.name,
            event=firing.event,
            key=firing.key,
            simulated=reading.facts.simulated,
            fired_at=now,
        )
        pair = {"before": before.row(firing.key), "after": rows.get(firing.key)}
        alert.body = dumps(_body(alert, rule, reading, firing, pair, more)).decode()
        alert.save(force_insert=True)
        Delivery.objects.bulk_create(Delivery(alert=alert, target=target, due_at=now) for target in targets)
    log.info("alert fired", rule=rule.name, alerts=len(firings))


def _body(
    alert: Alert, rule: Rule, reading: Reading, firing: Firing, row: Mapping[str, Any], more: int
) -> dict[str, Any]:
    """The body of a webhook; docs/alerts.md describes it."""
    facts = reading.facts
    measured = {} if firing.base is None else {"change": {"base": firing.base, "percent": firing.percent}}
    return {
        "id": str(alert.id),
        "type": "alert",
        "event": firing.event,
        "fired_at": alert.fired_at,
        "rule": {"id": rule.pk, "name": rule.name, "condition": told(rule)},
        "view": {"feed": rule.feed, "params": reading.view.asked},
        "key": firing.key or None,
        "row": row,
        **measured,
        "as_of": facts.as_of,
        "fetched_at": facts.fetched_at,
        "age_ms": facts.age_ms(alert.fired_at),
        "stale": facts.stale(alert.fired_at),
        "source": facts.source,
        "source_label": facts.label,
        "simulated": facts.simulated,
        "more": more,
    }


def told(rule: Rule) -> dict[str, Any]:
    """A rule's condition for people and receivers: what it uses, and nothing else."""
    used = {
        "above": ("field", "value", "hysteresis"),
        "below": ("field", "value", "hysteresis"),
        "change": ("field", "value", "window_seconds", "direction", "hysteresis"),
        "enters": ("confirm",),
        "leaves": ("confirm",),
        "stale": ("recovery",),
    }
    names = (*used.get(rule.kind, ()), "cooldown_seconds", "simulated")
    return {"kind": rule.kind, **{name: getattr(rule, name) for name in names}}


def restart(rule: Rule) -> None:
    """Begin a rule anew: its next answer fires nothing."""
    Standing.objects.filter(rule=rule).delete()
    memory.note_samples(rule.pk, "", {})


def _note_problem(rule: Rule, message: str) -> None:
    standing = _standing(rule)
    if standing.problem != message[:300]:
        Standing.objects.filter(pk=standing.pk).update(problem=message[:300])
        log.warning("rule cannot be evaluated", rule=rule.name, problem=message)


def fresh_state(rule: Rule) -> State:
    """The state of a rule as it is stored, for pages."""
    return _standing(rule).read(rule.signature, {})
