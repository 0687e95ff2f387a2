"""Keys of providers: entered, tested, switched on and off, and never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

import providers
from providers import access
from providers.admin import effects
from providers.admin.account import Account
from providers.admin.acting import Buttons
from providers.admin.limits import LimitsForm
from providers.admin.provider import warn_of_plain_http
from providers.admin.status import status_of
from providers.admin.words import lines, marked, ordinal
from providers.base import Plan, Provider
from providers.models import ApiKey, ProviderSettings, key_problem
from providers.vault import Locked, Secret


class ApiKeyForm(LimitsForm):
    """The form of a key. The key can be entered and is never shown; an empty field leaves it unchanged."""

    plan = forms.ChoiceField(
        label="Provider and plan", help_text="The plan that this key belongs to. It cannot be read from the key."
    )
    secret = forms.CharField(
        label="Key",
        required=False,
        max_length=1000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
    )

    class Meta:
        model = ApiKey
        fields = ("label", "enabled", "per_minute", "per_month")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["plan"].choices = [("", "---------"), *map(_choices, self._offered())]  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["plan"] = f"{self.instance.provider.name} {self.instance.plan}"
            self.before = {"plan": self.instance.plan}
            self.fields["secret"].help_text = f"Current key: {self.instance.masked}. Leave empty to keep it."

    def _offered(self) -> list[Provider]:
        """The providers with keys; an existing key stays with its provider."""
        if self.instance.pk:
            return [self.instance.provider.provider] if self.instance.provider.provider else []
        return [provider for provider in providers.all() if any(plan.header for plan in provider.plans)]

    def plans(self) -> list[Plan]:
        return [tariff] if (self.instance.pk or self.instance.plan) and (tariff := self.instance.tariff) else []

    def clean_plan(self) -> str:
        name, _, plan = self.cleaned_data["plan"].partition(" ")
        self.instance.provider = ProviderSettings.objects.get(name=name)
        self.instance.plan = plan
        return plan

    @sensitive_variables()
    def clean_secret(self) -> Secret:
        """Wrap the text, so that no error report can show it."""
        text = self.cleaned_data["secret"]
        problem = "" if not text and self.instance.pk else key_problem(text)
        if problem:
            raise forms.ValidationError(problem)
        return Secret(text)

    def save(self, commit: bool = True) -> ApiKey:
        if secret := self.cleaned_data["secret"]:
            self.instance.secret = secret
        return super().save(commit)


def _choices(provider: Provider) -> tuple[str, list[tuple[str, str]]]:
    plans = [plan for plan in provider.plans if plan.header]
    return provider.label, [(f"{provider.name} {plan.name}", f"{provider.label} {plan.name}") for plan in plans]


@admin.register(ApiKey)
class ApiKeyAdmin(Buttons):
    form = ApiKeyForm
    fields = ("plan", "secret", "label", "enabled", "per_minute", "per_month", "beyond")
    list_display = ("masked_key", "provider_plan", "label", "turn", "state", "left", "created_at")
    list_select_related = ("provider",)
    actions = ("test_keys",)
    buttons = ("test",)
    change_form_template = "admin/providers/apikey.html"

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return (
            self.fields
            if self.has_change_permission(request, obj)
            else ("provider", "plan", "masked_key", "label", "enabled", "per_minute", "per_month", "created_at")
        )

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        key = self.get_object(request, object_id)
        if key is not None and self.has_view_or_change_permission(request, key):
            more = {name: getattr(self, name)(key) for name in ("state", "turn", "last", "minute", "month", "accrued")}
            kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **more}
        return super().change_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        with effects.reported(request, f"With the {obj.plan} plan"):
            super().save_model(request, obj, form, change)
        provider, secret = obj.provider.provider, form.cleaned_data["secret"]
        if provider is None:
            return
        if secret and not secret.reveal().startswith(provider.key_hint):
            messages.warning(request, f"{provider.label} keys usually begin with {provider.key_hint}, this does not.")
        warn_of_plain_http(request, access.of(provider, obj))

    def delete_model(self, request: HttpRequest, obj: ApiKey) -> None:
        with effects.reported(request, "Without this key"):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        with effects.reported(request, "Without these keys"):
            super().delete_queryset(request, queryset)

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="key")
    def masked_key(self, key: ApiKey) -> str:
        return key.masked

    @admin.display(description="plan", ordering="provider__name")
    def provider_plan(self, key: ApiKey) -> str:
        return f"{key.provider} {key.plan}"

    @admin.display(description="allowance")
    def left(self, key: ApiKey) -> str:
        return lines([f"minute: {self.minute(key)}", f"month: {self.month(key)}"])

    @admin.display(description="order of use")
    def turn(self, key: ApiKey) -> str:
        """Its place in the order of the provider's keys."""
        accounts = [account.entry.account for account in status_of(key.provider).accounts]
        own = _account(key)
        if own is None or not key.enabled or own.entry.account not in accounts:
            return "not in use"
        return ordinal(accounts.index(own.entry.account) + 1)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        own = _account(key)
        if own is None:
            return marked("bad", "cannot be decrypted", "enter it again")
        if not key.enabled:
            return marked("off", "switched off")
        health = own.health
        return marked(health.mark, health.word, health.detail)

    def last(self, key: ApiKey) -> str:
        """Its last fetch, for its page."""
        words = own.last_words if (own := _account(key)) else None
        return marked(words.mark, words.word, words.detail) if words else "-"

    def minute(self, key: ApiKey) -> str:
        return own.minute if (own := _account(key)) else "-"

    def month(self, key: ApiKey) -> str:
        return own.month if (own := _account(key)) else "-"

    def accrued(self, key: ApiKey) -> str:
        """The allowance accrued so far, for its page."""
        return own.accrued if (own := _account(key)) else ""

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Test the selected keys", permissions=["change"])
    def test_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.select_related("provider"):
            self.test(request, key)

    def test(self, request: HttpRequest, key: ApiKey) -> None:
        """The button: one call with this key, in use or not."""
        if (own := _account(key)) is None:
            self.report(request, key, messages.ERROR, "Tested the key", "it cannot be decrypted; enter it again.")
        else:
            self.probe(request, key, own.entry, "Tested the key")


def _account(key: ApiKey) -> Account | None:
    """The account of a key; None when the key cannot be decrypted or its provider is not installed."""
    provider = key.provider.provider
    try:
        key.secret  # noqa: B018 - reading it is the test
    except Locked:
        return None
    return status_of(key.provider).account(access.of(provider, key)) if provider else None
