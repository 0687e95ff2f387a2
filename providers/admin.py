"""Providers, their limits and keys, for the operator. Whatever is saved here holds from the next fetch on.

A key goes in and never comes out: the form takes it, pages show its last four characters.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from redis.exceptions import RedisError

import providers
from providers import access
from providers.access import Access
from providers.budget import Budget, Usage, connection
from providers.errors import ProviderError
from providers.models import ApiKey, ProviderSettings, key_problem
from providers.probing import probe
from providers.vault import Locked, Secret

admin.site.site_header = admin.site.site_title = "Spot"
admin.site.index_title = "Administration"
_UNKNOWN = "unknown: Redis does not answer"


@admin.register(ProviderSettings)
class ProviderAdmin(admin.ModelAdmin):
    """One row a provider, made by migrate: nothing to add, and only what has lost its adapter to delete."""

    list_display = ("title", "enabled", "plan", "key", "minute", "month", "state", "last")
    readonly_fields = ("address", "plan", "key", "minute", "month", "state", "last")
    actions = ("test_connection",)

    def get_fieldsets(self, request: HttpRequest, obj: ProviderSettings | None = None) -> Any:  # noqa: ARG002
        limited = obj is None or obj.provider is None or not obj.provider.simulated
        wanted = ("enabled", "base_url", *(("per_minute", "per_month") if limited else ()))
        told = "The plan goes with the key, which is entered under API keys. A change holds from the next fetch on."
        return ((None, {"fields": wanted}), ("In force now", {"fields": self.readonly_fields, "description": told}))

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ProviderSettings | None = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and obj.provider is None

    def save_model(self, request: HttpRequest, obj: ProviderSettings, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.provider:
            warn_about(request, access.of(obj.provider))

    @admin.display(description="provider", ordering="name")
    def title(self, row: ProviderSettings) -> str:
        return f"{row} (simulated)" if row.provider and row.provider.simulated else str(row)

    @admin.display(description="address")
    def address(self, row: ProviderSettings) -> str:
        return entry.base_url if (entry := _entry(row)) else "-"

    @admin.display(description="plan")
    def plan(self, row: ProviderSettings) -> str:
        return entry.plan.name if (entry := _entry(row)) else "-"

    @admin.display(description="key")
    def key(self, row: ProviderSettings) -> str:
        entry = _entry(row)
        return f"••••{entry.key.reveal()[-4:]}" if entry and len(entry.key.reveal()) >= 12 else _whether(entry)

    @admin.display(description="calls in the last minute")
    def minute(self, row: ProviderSettings) -> str:
        return _of(row, lambda usage, entry: _count(usage.minute, entry.per_minute))

    @admin.display(description="calls this month")
    def month(self, row: ProviderSettings) -> str:
        return _of(row, lambda usage, entry: _count(usage.month, entry.per_month))

    @admin.display(description="state")
    def state(self, row: ProviderSettings) -> str:
        return _of(row, _state)

    @admin.display(description="last fetch")
    def last(self, row: ProviderSettings) -> str:
        return _of(row, lambda usage, _entry: _outcome(usage.last))

    @admin.action(description="Test the connection, with the key in use")
    def test_connection(self, request: HttpRequest, queryset: QuerySet[ProviderSettings]) -> None:
        for row in queryset:
            if entry := _entry(row):
                report(request, str(row), entry)


class ApiKeyForm(forms.ModelForm):
    """The key itself is written here and nowhere shown; left empty on a change, it stays as it is."""

    plan = forms.ChoiceField(help_text="The plan that the key was issued for: the key does not tell.")
    secret = forms.CharField(
        label="Key",
        required=False,
        max_length=1000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
    )

    class Meta:
        model = ApiKey
        fields = ("provider", "plan", "secret", "label", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plans = [(provider, plan) for provider in providers.all() for plan in provider.plans if plan.header]
        names = {plan.name: f"{plan.name} ({provider.label})" for provider, plan in plans}
        self.fields["plan"].choices = list(names.items())  # type: ignore[attr-defined]
        rows = ProviderSettings.objects.filter(name__in={provider.name for provider, _ in plans})
        self.fields["provider"].queryset = rows  # type: ignore[attr-defined]
        self.fields["provider"].initial = rows.first()
        if self.instance.pk:
            self.fields["secret"].help_text = f"In place: {self.instance.masked}. Empty: it stays."

    def clean_secret(self) -> str:
        text = self.cleaned_data["secret"]
        problem = "" if not text and self.instance.pk else key_problem(text)
        if problem:
            raise forms.ValidationError(problem)
        return text

    def save(self, commit: bool = True) -> ApiKey:
        if text := self.cleaned_data["secret"]:
            self.instance.secret = Secret(text)
        return super().save(commit)


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    form = ApiKeyForm
    list_display = ("masked_key", "provider", "plan", "label", "enabled", "in_use", "created_at")
    list_select_related = ("provider",)
    actions = ("test_keys",)

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        provider, typed = obj.provider.provider, form.cleaned_data["secret"]
        if provider is None:
            return
        if typed and not typed.startswith(provider.key_hint):
            messages.warning(request, f"{provider.label} keys usually begin with {provider.key_hint}, this does not.")
        warn_about(request, access.of(provider))

    @admin.display(description="key")
    def masked_key(self, key: ApiKey) -> str:
        return key.masked

    @admin.display(description="state")
    def in_use(self, key: ApiKey) -> str:
        try:
            secret = key.secret
        except Locked:
            return "cannot be decrypted: enter it again"
        provider = key.provider.provider
        used = provider is not None and key.enabled and access.of(provider).key == secret
        return "in use" if used else "not in use"

    @admin.action(description="Test the selected keys")
    def test_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("provider"):
            try:
                key.secret  # noqa: B018 - reading it is the test
            except Locked:
                messages.error(request, f"{key}: it cannot be decrypted; enter it again.")
                continue
            if provider := key.provider.provider:
                report(request, str(key), access.of(provider, key))


def report(request: HttpRequest, subject: str, entry: Access) -> None:
    """Try that access, and tell the operator what came of it."""
    try:
        messages.success(request, f"{subject}: {probe(entry)}.")
    except ProviderError as error:
        messages.error(request, f"{subject}: {error.message}.")
    except RedisError:
        messages.error(request, f"{subject}: not tested, because Redis, which keeps the budget, does not answer.")


def warn_about(request: HttpRequest, entry: Access) -> None:
    """What was saved works, and the operator should still know."""
    if entry.key and entry.base_url.startswith("http://"):
        messages.warning(request, f"The key travels unencrypted to {entry.base_url}: the address begins with http://.")
    for period, chosen, planned in (
        ("minute", entry.per_minute, entry.plan.per_minute),
        ("month", entry.per_month, entry.plan.per_month),
    ):
        if planned and not 0 < chosen <= planned:
            amount = f"{chosen:,} calls" if chosen else "No limit"
            messages.warning(request, f"{amount} a {period}: the {entry.plan.name} plan itself has {planned:,}.")


def _entry(row: ProviderSettings) -> Access | None:
    return access.of(row.provider) if row.provider else None


def _of(row: ProviderSettings, tell: Any) -> str:
    """What `tell` makes of the account's usage. A page must not fail because Redis is away."""
    if (entry := _entry(row)) is None:
        return "-"
    try:
        return str(tell(Budget(connection()).usage(entry), entry))
    except RedisError:
        return _UNKNOWN


def _whether(entry: Access | None) -> str:
    return "set" if entry and entry.key else "none"


def _count(used: int, limit: int) -> str:
    return f"{used:,} of {limit:,}" if limit else f"{used:,}, no limit"


def _state(usage: Usage, entry: Access) -> str:
    if not entry.enabled:
        return "switched off"
    if usage.rest_until:
        code, _, message = usage.rest_reason.partition(" ")
        return f"left alone until {_time(usage.rest_until)}: {message or code}"
    return "ready"


def _outcome(last: dict[str, Any] | None) -> str:
    if last is None:
        return "none yet"
    said = last.get("message") or f"{last['calls']} call{'s' * (last['calls'] != 1)} in {last['ms']} ms"
    return f"{_time(last['at'])} {last['dataset']}: {last['outcome']}, {said}"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S UTC")
