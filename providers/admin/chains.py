"""Who is asked for what, in which order, and who serves it now."""

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
from providers.admin.standing import standing
from providers.admin.words import lines, marked, ordinal
from providers.datasets import Kind
from providers.models import Chain, ProviderSettings

#: What an order says that names nobody.
_ALL = "all, in Spot's own order"


class OrderForm(forms.ModelForm):
    """One choice a place, so that nobody has to type names. Empty places are closed up."""

    class Meta:
        model = Chain
        fields = ()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        chosen = [name for place in self.fields if (name := data.get(place))]
        if len(set(chosen)) != len(chosen):
            raise forms.ValidationError("Each provider once.")
        self.instance.order = ", ".join(chosen)
        return data


def places(row: Chain) -> dict[str, forms.ChoiceField]:
    """The fields of a row's form: as many places as there are providers that can serve it."""
    able = [
        (one.name, one.label) for one in providers.all() if not one.simulated and one.endpoint(cast("Kind", row.kind))
    ]
    named = [*row.names, *([""] * len(able))]
    return {
        f"place_{place}": forms.ChoiceField(
            label=ordinal(place),
            choices=[("", "(no further provider)" if place > 1 else f"({_ALL})"), *able],
            required=False,
            initial=named[place - 1],
        )
        for place in range(1, len(able) + 1)
    }


@dataclass(frozen=True)
class Turn:
    """A provider in the order, and how it stands as far as that kind is concerned."""

    row: ProviderSettings
    health: Health
    last_words: Health


def turns(row: Chain) -> list[Turn]:
    """Who is asked for it, in order; kept with the row, which lives as long as the request."""
    if "_turns" not in row.__dict__:
        kind = cast("Kind", row.kind)
        names = [provider.name for provider, _ in chains.of(kind)]
        rows = {one.name: one for one in ProviderSettings.objects.filter(name__in=names)}
        stood = [standing(rows[name]) for name in names if name in rows]
        row.__dict__["_turns"] = [Turn(one.row, one.health_for(kind), one.last_words) for one in stood]
    found: list[Turn] = row.__dict__["_turns"]
    return found


@admin.register(Chain)
class ChainAdmin(admin.ModelAdmin):
    """A row for each kind of dataset that is asked for, made by migrate."""

    list_display = ("kind", "asked", "serving", "chosen")
    change_form_template = "admin/providers/chain.html"
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The places are known only with the row, and Django wants them declared."""
        kwargs["form"] = type("PlacesForm", (OrderForm,), {**places(obj)})
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        told = (
            "Only the providers named here are asked, in this order: name at least two, or none takes over when the "
            "first fails. With none named, all that can serve it are asked. Changes apply from the next fetch."
        )
        fields = list(places(obj)) if self.has_change_permission(request, obj) else ["order"]
        return (("Order", {"fields": fields, "description": told}),)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_or_change_permission(request, row):
            kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "turns": turns(row)}
        return super().change_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Chain, form: forms.ModelForm, change: bool) -> None:
        with effects.told(request, "With this order"):
            super().save_model(request, obj, form, change)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: ARG002
        before = ", ".join(filter(None, (form.fields[place].initial for place in form.fields)))
        return f"Changed. Order: {before or _ALL} → {form.instance.order or _ALL}."

    @admin.display(description="asked in this order")
    def asked(self, row: Chain) -> str:
        return lines([f"{ordinal(place)} {one.row}" for place, one in enumerate(turns(row), 1)])

    @admin.display(description="serves now")
    def serving(self, row: Chain) -> str:
        able = next((turn for turn in turns(row) if turn.health.serves), None)
        if able is None:
            return marked("bad", "nobody", "the last good values stay")
        return marked("good", str(able.row), effects.failover_warning(cast("Kind", row.kind)))

    @admin.display(description="set by")
    def chosen(self, row: Chain) -> str:
        return "an operator" if row.names else "Spot"
