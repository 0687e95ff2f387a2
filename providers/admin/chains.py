"""The order of providers for each kind of dataset, and the provider that serves it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

import providers
from providers import chains
from providers.admin import effects
from providers.admin.account import Health
from providers.admin.status import status_of
from providers.admin.words import lines, marked, ordinal
from providers.datasets import Kind
from providers.models import Chain, ProviderSettings

#: The description of an empty order.
_ALL = "all, in Spot's own order"


class OrderForm(forms.ModelForm):
    """One choice per place, in place of a text with names. Empty places are removed."""

    class Meta:
        model = Chain
        fields = ()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        chosen = [name for place in self.fields if (name := data.get(place))]
        if len(set(chosen)) != len(chosen):
            raise forms.ValidationError("Choose each provider only once.")
        self.instance.order = ", ".join(chosen)
        return data


def places(row: Chain) -> dict[str, forms.ChoiceField]:
    """The fields of a row's form: one place for each provider that can serve its kind."""
    kind = cast("Kind", row.kind)
    capable = [
        (provider.name, provider.label)
        for provider in providers.all()
        if not provider.simulated and provider.endpoint(kind)
    ]
    names = [*row.names, *([""] * len(capable))]
    return {
        f"place_{place}": forms.ChoiceField(
            label=ordinal(place),
            choices=[("", "(no further provider)" if place > 1 else f"({_ALL})"), *capable],
            required=False,
            initial=names[place - 1],
        )
        for place in range(1, len(capable) + 1)
    }


@dataclass(frozen=True)
class Turn:
    """A provider in the order, and its health with regard to that kind."""

    row: ProviderSettings
    health: Health
    last_words: Health


def turns(row: Chain) -> list[Turn]:
    """The providers for a kind in order; cached on the row, which lives as long as the request."""
    if "_turns" not in row.__dict__:
        kind = cast("Kind", row.kind)
        names = [provider.name for provider, _ in chains.of(kind)]
        rows = {settings.name: settings for settings in ProviderSettings.objects.filter(name__in=names)}
        statuses = [status_of(rows[name]) for name in names if name in rows]
        row.__dict__["_turns"] = [Turn(status.row, status.health_for(kind), status.last_words) for status in statuses]
    cached: list[Turn] = row.__dict__["_turns"]
    return cached


@admin.register(Chain)
class ChainAdmin(admin.ModelAdmin):
    """A row for each kind of dataset that has an order; migrate creates them."""

    list_display = ("kind", "providers_in_order", "serving", "chosen")
    change_form_template = "admin/providers/chain.html"
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form with the row's places, which Django wants declared in the class."""
        kwargs["form"] = type("PlacesForm", (OrderForm,), {**places(obj)})
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        description = (
            "Spot uses only the providers named here, in this order. Name at least two, or no other takes over when "
            "the first fails. With none named, it uses all that can serve it. Changes apply from the next fetch."
        )
        fields = list(places(obj)) if self.has_change_permission(request, obj) else ["order"]
        return (("Order", {"fields": fields, "description": description}),)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_or_change_permission(request, row):
            kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "turns": turns(row)}
        return super().change_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Chain, form: forms.ModelForm, change: bool) -> None:
        with effects.reported(request, "With this order"):
            super().save_model(request, obj, form, change)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: ARG002
        before = ", ".join(filter(None, (form.fields[place].initial for place in form.fields)))
        return f"Changed. Order: {before or _ALL} → {form.instance.order or _ALL}."

    @admin.display(description="order")
    def providers_in_order(self, row: Chain) -> str:
        return lines([f"{ordinal(place)} {turn.row}" for place, turn in enumerate(turns(row), 1)])

    @admin.display(description="serves now")
    def serving(self, row: Chain) -> str:
        first = next((turn for turn in turns(row) if turn.health.serves), None)
        if first is None:
            return marked("bad", "(none)", "the last values stay")
        return marked("good", str(first.row), effects.failover_warning(cast("Kind", row.kind)))

    @admin.display(description="set by")
    def chosen(self, row: Chain) -> str:
        return "an operator" if row.names else "Spot"
