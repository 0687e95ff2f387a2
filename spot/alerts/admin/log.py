"""What fired, and what became of each webhook."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from providers.admin.acting import ReadOnly, Recorded
from providers.admin.words import lines, marked, moment
from spot.alerts.admin.targets import outcome
from spot.alerts.models import Alert, Delivery
from spot.snapshots import now_ms

_MARKS = {Delivery.WAITING: "waiting", Delivery.DELIVERED: "good", Delivery.GIVEN_UP: "bad"}


def _state(delivery: Delivery) -> str:
    next_try = f"next try {moment(delivery.due_at, now_ms())}" if delivery.state == Delivery.WAITING else ""
    return marked(_MARKS[delivery.state], delivery.state, next_try)


class _WithBody:
    """What both pages show of an alert."""

    @admin.display(description="body")
    def sent(self, subject: Alert | Delivery) -> str:
        text = json.dumps(json.loads(_alert(subject).body), indent=2, ensure_ascii=False)
        return format_html('<pre class="body">{}</pre>', text)


def _alert(subject: Alert | Delivery) -> Alert:
    return subject if isinstance(subject, Alert) else subject.alert


@admin.register(Alert)
class AlertAdmin(_WithBody, ReadOnly):
    list_display = ("fired", "rule_name", "event", "key", "simulated", "sent_to")
    list_filter = ("event", "simulated", "rule_name")
    search_fields = ("rule_name", "key")
    fields = ("id", "fired", "rule_name", "event", "key", "simulated", "sent_to", "sent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return super().get_queryset(request).prefetch_related("deliveries__target")

    @admin.display(description="fired", ordering="fired_at")
    def fired(self, alert: Alert) -> str:
        return moment(alert.fired_at, now_ms())

    @admin.display(description="sent to")
    def sent_to(self, alert: Alert) -> str:
        return lines([f"{delivery.target}: {delivery.state}" for delivery in alert.deliveries.all()])


@admin.register(Delivery)
class DeliveryAdmin(_WithBody, Recorded):
    list_display = ("fired", "what", "target", "state_now", "attempts", "last")
    list_filter = ("state", "target", "alert__rule_name")
    list_select_related = ("alert", "target")
    actions = ("send_again",)
    fields = readonly_fields = ("alert", "target", "fired", "state_now", "attempts", "tries", "sent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).prefetch_related("log")

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        hidden = {"show_save": False, "show_save_and_continue": False}
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **hidden}
        return super().change_view(request, *args, **kwargs)

    @admin.display(description="fired", ordering="alert__fired_at")
    def fired(self, delivery: Delivery) -> str:
        return moment(delivery.alert.fired_at, now_ms())

    @admin.display(description="alert", ordering="alert__rule_name")
    def what(self, delivery: Delivery) -> str:
        alert = delivery.alert
        return lines([alert.rule_name, f"{alert.event} {alert.key}".strip()])

    @admin.display(description="state", ordering="state")
    def state_now(self, delivery: Delivery) -> str:
        return _state(delivery)

    @admin.display(description="last try")
    def last(self, delivery: Delivery) -> str:
        tried = next(iter(delivery.log.all()), None)
        return outcome(tried) if tried else "-"

    @admin.display(description="tries")
    def tries(self, delivery: Delivery) -> str:
        return lines([f"{moment(one.at, now_ms())}: {outcome(one)}" for one in delivery.log.all()])

    @admin.action(description="Send the selected deliveries again", permissions=["change"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        again = queryset.exclude(state=Delivery.WAITING)
        for delivery in again:
            self.log_change(request, delivery, "Sent again.")
        count = again.update(state=Delivery.WAITING, attempts=0, due_at=now_ms(), claimed_until=0)
        messages.success(request, f"{count} sent again, with the same ids; those that wait are sent anyway.")
