"""Keys of clients: made, shown once, replaced, revoked; and what each has used by day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from providers.admin.acting import Buttons, ReadOnly
from providers.admin.chart import DAYS, Day, UsageChart, drawn
from providers.admin.words import grouped, left, marked
from spot.clients import keys, usage
from spot.clients.models import ClientKey, ClientPlan, ClientUsage

#: How long the old key stays good beside the new one, in hours.
GRACE_HOURS = 24


class ClientKeyForm(forms.ModelForm):
    """The form of a key. Its text is made by the program, and in no form."""

    class Meta:
        model = ClientKey
        fields = ("name", "plan", "expires_at", "origins", "networks", "note")
        widgets = {name: forms.Textarea(attrs={"rows": 3, "cols": 60}) for name in ("origins", "networks", "note")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (plan := self.fields.get("plan")) is not None:
            plan.queryset = ClientPlan.objects.exclude(name=ClientPlan.ANONYMOUS)  # type: ignore[attr-defined]


@admin.register(ClientKey)
class ClientKeyAdmin(Buttons):
    """Keys are revoked and not deleted: their usage stays."""

    form = ClientKeyForm
    list_display = ("name", "key", "plan", "state", "credits", "last_used_at", "created_at")
    list_filter = ("plan", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("plan",)
    search_fields = ("name", "note", "prefix", "last_four")
    actions = ("revoke_keys",)
    buttons = ("rotate", "replace", "revoke")
    change_form_template = "admin/clients/key.html"

    def has_delete_permission(self, request: HttpRequest, obj: ClientKey | None = None) -> bool:  # noqa: ARG002
        return False

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        key = self.get_object(request, object_id)
        if key is not None and self.has_view_or_change_permission(request, key):
            chart, rows = chart_of(key)
            more = {"state": self.state(key), "month": self.credits(key), "usage": chart, "rows": rows}
            more["grace"] = GRACE_HOURS
            kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **more}
        return super().change_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ClientKey, form: forms.ModelForm, change: bool) -> None:
        if not change:
            obj.give(keys.new())
        super().save_model(request, obj, form, change)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("add"):
            context = {**context, "show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: ClientKey, post_url_continue: str | None = None) -> HttpResponse:  # noqa: ARG002
        """The only page that shows the key: no message, which would be stored in a cookie."""
        return self._shown(request, obj)

    def _shown(self, request: HttpRequest, key: ClientKey) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key of {key.name}",
            "opts": self.opts,
            "original": key,
            "secret": key.secret.reveal() if key.secret else "",
        }
        return TemplateResponse(request, "admin/clients/shown.html", context)

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="key")
    def key(self, key: ClientKey) -> str:
        return key.masked

    @admin.display(description="state")
    def state(self, key: ClientKey) -> str:
        if key.revoked_at:
            return marked("off", "revoked", _moment(key.revoked_at))
        if key.expires_at and key.expires_at <= timezone.now():
            return marked("off", "expired", _moment(key.expires_at))
        if not key.plan.enabled:
            return marked("off", "switched off", "with its plan")
        if key.old_digest and key.old_until and key.old_until > timezone.now():
            return marked("good", "good", f"the key before it too, until {_moment(key.old_until)}")
        return marked("good", "good", f"until {_moment(key.expires_at)}" if key.expires_at else "")

    @admin.display(description="credits this month")
    def credits(self, key: ClientKey) -> str:
        today = usage.today()
        used = key.usage.filter(day__gte=today.replace(day=1)).aggregate(sum=Sum("millicredits"))["sum"] or 0
        return left(used / 1000, key.plan.plan.credits_per_month)

    # --- actions ------------------------------------------------------------------------------------------------------

    def rotate(self, request: HttpRequest, key: ClientKey) -> HttpResponse | None:
        """The button: a new key; the old one stays good for a day."""
        return self._replace(request, key, timezone.now() + timedelta(hours=GRACE_HOURS))

    def replace(self, request: HttpRequest, key: ClientKey) -> HttpResponse | None:
        """The button: a new key; the old one ends at once."""
        return self._replace(request, key, None)

    def _replace(self, request: HttpRequest, key: ClientKey, old_until: datetime | None) -> HttpResponse | None:
        if key.revoked_at:
            messages.error(request, f"{key}: a revoked key gets no new one. Add a key instead.")
            return None
        before = key.masked
        key.give(keys.new(), old_until)
        key.save()
        end = f"good until {_moment(old_until)}" if old_until else "not good any more"
        self.log_change(request, key, f"Replaced the key: {before} is {end}.")
        return self._shown(request, key)

    def revoke(self, request: HttpRequest, key: ClientKey) -> None:
        """The button: good for nobody from now on."""
        if key.revoked_at:
            messages.info(request, f"{key}: revoked already.")
            return
        key.revoked_at = timezone.now()
        key.save()
        outcome = "not good any more; its connections are closed within five seconds."
        self.report(request, key, messages.SUCCESS, "Revoked", outcome)

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ClientKey]) -> None:
        for key in queryset:
            self.revoke(request, key)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def chart_of(key: ClientKey) -> tuple[UsageChart, list[ClientUsage]]:
    """The chart of a key's last days, and its rows, the newest first."""
    today = usage.today()
    days = [today - timedelta(days=step) for step in range(DAYS - 1, -1, -1)]
    rows = {row.day: row for row in key.usage.filter(day__gte=days[0], day__lte=today)}
    shown = [Day(day, row.messages, 0, row.millicredits / 1000) if (row := rows.get(day)) else Day(day) for day in days]
    return drawn(shown, key.plan.plan.credits_per_month), sorted(rows.values(), key=lambda row: row.day, reverse=True)


@admin.register(ClientUsage)
class ClientUsageAdmin(ReadOnly):
    list_display = ("day", "key", "connections", "requests", "messages", "megabytes", "credits")
    list_filter = (("key", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("key",)
    date_hierarchy = "day"
    fields = ("day", "key", "connections", "requests", "messages", "megabytes", "credits")

    @admin.display(description="MB sent", ordering="bytes")
    def megabytes(self, row: ClientUsage) -> str:
        return grouped(row.bytes / 1e6)

    @admin.display(description="credits", ordering="millicredits")
    def credits(self, row: ClientUsage) -> str:
        return grouped(row.credits)
