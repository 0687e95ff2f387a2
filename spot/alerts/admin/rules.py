"""Rules: entered, previewed, paused."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from providers.admin.acting import Buttons
from providers.admin.words import lines, marked, moment, span
from spot.alerts import evaluation
from spot.alerts.admin.rule_form import DIRECTIONS, RuleForm
from spot.alerts.models import Rule, Standing
from spot.snapshots import now_ms


@admin.register(Rule)
class RuleAdmin(Buttons):
    form = RuleForm
    list_display = ("name", "watches", "condition_words", "goes_to", "state", "last_fired")
    list_filter = ("enabled", "feed", "kind")
    search_fields = ("name",)
    actions = ("pause_rules", "resume_rules")
    buttons = ("pause", "resume")
    change_form_template = "admin/alerts/rule.html"
    fieldsets = (
        (None, {"fields": ("name", "enabled", "targets")}),
        ("Which rows", {"fields": ("feed", "parameters")}),
        ("When", {"fields": ("kind", "field", "value", "window_seconds", "direction", "recovery", "simulated")}),
        ("How often", {"fields": ("hysteresis", "confirm", "cooldown_seconds")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        return super().get_queryset(request).select_related("standing").prefetch_related("targets")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        rule, form = kwargs.get("obj"), context["adminform"].form
        context["preview"] = getattr(form, "preview", None)
        if rule is not None:
            context |= {"state": self.state(rule), "last_fired": self.last_fired(rule)}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Rule, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "enabled" in form.changed_data:
            evaluation.restart(obj)
        if not form.cleaned_data["targets"]:
            messages.warning(request, "The rule has no target: what fires is only recorded, under Alerts.")

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="view", ordering="feed")
    def watches(self, rule: Rule) -> str:
        return lines([rule.feed, *(f"{name}={value}" for name, value in rule.parameters.items())])

    @admin.display(description="fires when", ordering="kind")
    def condition_words(self, rule: Rule) -> str:
        return in_words(rule)

    @admin.display(description="targets")
    def goes_to(self, rule: Rule) -> str:
        return ", ".join(map(str, rule.targets.all())) or "none"

    @admin.display(description="state")
    def state(self, rule: Rule) -> str:
        standing = Standing.objects.filter(rule=rule).first()
        if not rule.enabled:
            return marked("off", "paused")
        if standing is not None and standing.problem:
            return marked("bad", "not evaluated", standing.problem)
        if standing is None or standing.signature != rule.signature:
            return marked("waiting", "waiting", "for the first answer, which fires nothing")
        if not standing.state.get("origin"):
            return marked("waiting", "waiting", "for real data; the answers so far are simulated")
        return marked("good", "watching")

    @admin.display(description="last fired")
    def last_fired(self, rule: Rule) -> str:
        last = rule.alerts.first()
        if last is None:
            return "never"
        row = f", {last.key}" if last.key else ""
        return f"{moment(last.fired_at, now_ms())}{row}"

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Pause the selected rules", permissions=["change"])
    def pause_rules(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        for rule in queryset:
            self.pause(request, rule)

    @admin.action(description="Resume the selected rules", permissions=["change"])
    def resume_rules(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        for rule in queryset:
            self.resume(request, rule)

    def pause(self, request: HttpRequest, rule: Rule) -> None:
        """The button: evaluate the rule no more."""
        self._switch(request, rule, False, "paused.")

    def resume(self, request: HttpRequest, rule: Rule) -> None:
        """The button: evaluate the rule again, from a new beginning."""
        self._switch(request, rule, True, "resumed. Its next answer fires nothing; it sets where each row stands.")

    def _switch(self, request: HttpRequest, rule: Rule, enabled: bool, outcome: str) -> None:
        if rule.enabled == enabled:
            return
        rule.enabled = enabled
        rule.save(update_fields=["enabled"])
        evaluation.restart(rule)
        self.report(request, rule, messages.SUCCESS, "Resumed" if enabled else "Paused", outcome)


def in_words(rule: Rule) -> str:
    """A rule's condition as a phrase."""
    value = f"{rule.value:,.10g}" if rule.value is not None else "?"
    phrases = {
        "above": f"{rule.field} ≥ {value}",
        "below": f"{rule.field} ≤ {value}",
        "change": f"{rule.field} {DIRECTIONS.get(rule.direction, '')} by more than {value} % "
        f"within {span(rule.window_seconds or 0)}",
        "enters": "a row enters",
        "leaves": "a row leaves",
        "stale": "stale, and recovered" if rule.recovery else "stale",
    }
    return phrases.get(rule.kind, rule.kind)
