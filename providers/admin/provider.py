"""Providers: their status, usage and settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from redis.exceptions import RedisError

from providers import access
from providers.access import Access
from providers.admin import effects
from providers.admin.account import Account
from providers.admin.acting import Buttons
from providers.admin.chart import usage_of
from providers.admin.limits import LimitsForm
from providers.admin.status import status_of
from providers.admin.words import detailed_lines, lines, marked
from providers.base import Plan
from providers.breaker import Breaker
from providers.budget import connection
from providers.models import ProviderSettings
from providers.vault import Secret


class ProviderForm(LimitsForm):
    """The form of a provider. A new address requires the key again, since keys are sent to that address: neither a
    forged request nor a user who does not know a key may redirect them."""

    key_again = forms.CharField(
        label="Key, again",
        required=False,
        max_length=1000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "size": 60}),
        help_text="Only when an address changes: a key of this provider, since keys will be sent to the new address.",
    )

    class Meta:
        model = ProviderSettings
        fields = ("enabled", "base_url", "per_minute", "per_month", "stream_url", "stream_coins")

    @sensitive_variables()
    def clean_key_again(self) -> Secret:
        """Wrap the text, so that no error report can show it."""
        return Secret(self.cleaned_data["key_again"])

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        changed = [
            self.fields[name].label
            for name in ("base_url", "stream_url")
            if name in self.changed_data and data.get(name)
        ]
        keys = access.secrets_of(self.instance) if changed else []
        if keys and data.get("key_again") not in keys:
            problem = f"Enter a key of this provider again: keys go to the new {' and '.join(map(str, changed))}."
            self.add_error("key_again", problem)
        return data

    def plans(self) -> list[Plan]:
        accounts = status_of(self.instance).accounts if self.instance.provider else []
        return list(dict.fromkeys(account.entry.plan for account in accounts))


@admin.register(ProviderSettings)
class ProviderAdmin(Buttons):
    """One row per provider, created by migrate. Only a row without an adapter can be deleted."""

    form = ProviderForm
    list_display = ("title", "health", "last", "minute", "month", "stream")
    actions = ("test_connections", "reset_breakers")
    buttons = ("test", "reset")
    change_form_template = "admin/providers/provider.html"

    def get_fieldsets(self, request: HttpRequest, obj: ProviderSettings | None = None) -> Any:
        provider = obj.provider if obj else None
        fields = ["enabled", "base_url"] if provider is None or provider.endpoints else ["enabled"]
        if provider is None or not provider.simulated:
            fields += ["per_minute", "per_month", "beyond"]
        if provider and provider.stream:
            fields += ["stream_url", "stream_coins"]
        if provider and any(plan.header for plan in provider.plans):
            fields.append("key_again")
        if not self.has_change_permission(request, obj):
            fields = [name for name in fields if name not in ("beyond", "key_again")]
        description = "Changes apply from the next fetch, in every process."
        return (("Settings", {"fields": fields, "description": description}),)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ProviderSettings | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and obj.provider is None

    @method_decorator(sensitive_post_parameters("key_again"))
    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_or_change_permission(request, row):
            more = {"status": status_of(row), "usage": usage_of(status_of(row))}
            kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **more}
        return super().change_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ProviderSettings, form: forms.ModelForm, change: bool) -> None:
        with effects.reported(request, "With these settings"):
            super().save_model(request, obj, form, change)
        if obj.provider:
            warn_of_plain_http(request, access.of(obj.provider))

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="provider", ordering="name")
    def title(self, row: ProviderSettings) -> str:
        return f"{row} (simulated)" if row.provider and row.provider.simulated else str(row)

    @admin.display(description="health")
    def health(self, row: ProviderSettings) -> str:
        health = status_of(row).health
        return marked(health.mark, health.word, health.detail)

    @admin.display(description="last fetch")
    def last(self, row: ProviderSettings) -> str:
        last = status_of(row).last_words
        return marked(last.mark, last.word, last.detail)

    @admin.display(description="this minute")
    def minute(self, row: ProviderSettings) -> str:
        status = status_of(row)
        return lines([status.labelled(account, account.minute) for account in status.accounts])

    @admin.display(description="this month")
    def month(self, row: ProviderSettings) -> str:
        def detail(account: Account) -> str:
            return f"accrued: {account.accrued}" if account.accrued else account.outlook

        status = status_of(row)
        return detailed_lines(
            [(status.labelled(account, account.month), detail(account)) for account in status.accounts]
        )

    @admin.display(description="stream")
    def stream(self, row: ProviderSettings) -> str:
        words = status_of(row).stream_words
        if words == status_of(row).health:
            return "see health"
        return marked(words.mark, words.word, words.detail) if words else "-"

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Test the connection, with the key in use", permissions=["change"])
    def test_connections(self, request: HttpRequest, queryset: QuerySet[ProviderSettings]) -> None:
        for row in queryset:
            self.test(request, row)

    def test(self, request: HttpRequest, row: ProviderSettings) -> None:
        """The button: one call, with the key in use."""
        entry = status_of(row).first
        if entry is None:
            messages.error(request, f"{row}: there is nothing to test.")
        else:
            self.probe(request, row, entry, "Tested the connection")

    @admin.action(description="Reset the breaker", permissions=["change"])
    def reset_breakers(self, request: HttpRequest, queryset: QuerySet[ProviderSettings]) -> None:
        for row in queryset:
            self.reset(request, row)

    def reset(self, request: HttpRequest, row: ProviderSettings) -> None:
        """The button: close the breaker and forget the failures."""
        try:
            Breaker(connection()).reset(row.name)
        except RedisError:
            messages.error(request, f"{row}: not reset, because Redis does not answer.")
        else:
            outcome = "the breaker is closed; the next fetch can use the provider again."
            self.report(request, row, messages.SUCCESS, "Reset the breaker", outcome)


def warn_of_plain_http(request: HttpRequest, entry: Access) -> None:
    """Warn of an address that works and sends the key unencrypted."""
    if entry.key and entry.base_url.startswith("http://"):
        messages.warning(request, f"The key travels unencrypted to {entry.base_url}: the address begins with http://.")
