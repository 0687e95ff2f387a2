"""Plans: what each client may use, and whether anybody is served without a key."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from providers.admin.acting import Recorded
from providers.admin.words import marked, number
from spot.clients.models import CHANNELS, ClientPlan


class ClientPlanForm(forms.ModelForm):
    """The form of a plan, with its feeds as boxes to tick."""

    channels = forms.MultipleChoiceField(
        label="Feeds",
        choices=[(name, name) for name in CHANNELS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all.",
    )

    class Meta:
        model = ClientPlan
        exclude = ("changed_at",)  # noqa: DJ006 - every other field is meant for the operator

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if self.instance.pk and self.instance.is_anonymous and name != ClientPlan.ANONYMOUS:
            raise forms.ValidationError("This is the plan of everybody without a key. Its name stays.")
        return name


@admin.register(ClientPlan)
class ClientPlanAdmin(Recorded):
    form = ClientPlanForm
    fields = (
        "name", "enabled", "connections", "subscriptions", "messages_out_per_second", "messages_per_minute",
        "requests_per_minute", "credits_per_month", "channels",
    )  # fmt: skip
    list_display = ("name", "state", "limits", "feeds", "clients")
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClientPlan]:
        return super().get_queryset(request).annotate(count=Count("keys"))

    def has_delete_permission(self, request: HttpRequest, obj: ClientPlan | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and obj.is_anonymous)

    def save_model(self, request: HttpRequest, obj: ClientPlan, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change or not form.changed_data:
            return
        if obj.enabled:
            messages.info(
                request, "Connections with this plan are closed with code 4409 within seconds, and come back."
            )
        else:
            messages.info(request, "Connections with this plan are closed with code 4401 within seconds.")
        if obj.is_anonymous and not obj.enabled:
            text = (
                "Nobody is served without a key any more. This site's own pages tell visitors so, and show data to "
                "staff who have signed in."
            )
            messages.warning(request, text)

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="state")
    def state(self, row: ClientPlan) -> str:
        return marked("good", "in force") if row.enabled else marked("off", "switched off")

    @admin.display(description="limits")
    def limits(self, row: ClientPlan) -> str:
        plan, parts = row.plan, []
        for limit, what in (
            (plan.connections, "connections"),
            (plan.subscriptions, "subscriptions each"),
            (plan.messages_out_per_second, "messages/s to each"),
            (plan.requests_per_minute, "requests/min"),
            (plan.credits_per_month, "credits/month"),
        ):
            parts.append(f"{limit:,g} {what}" if limit else f"any {what}")
        return ", ".join(parts)

    @admin.display(description="feeds")
    def feeds(self, row: ClientPlan) -> str:
        return ", ".join(row.channels) or "all"

    @admin.display(description="used by")
    def clients(self, row: Any) -> str:
        return "everybody without a key" if row.is_anonymous else number(row.count, "key")
