"""The matches of providers' coins with ours: automatic and missing ones, and the operator's choices."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from redis.exceptions import RedisError

from providers import identity, mapping
from providers.admin.acting import Buttons, ReadOnly
from providers.admin.words import detailed_lines
from providers.budget import connection
from providers.matching import HAND
from providers.models import Asset, AssetAlias

#: Candidates shown in a row of the list.
_SHOWN = 3


class Matched(admin.SimpleListFilter):
    title, parameter_name = "coin", "coin"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [("none", "Not matched"), ("found", "Matched"), (HAND, "Chosen by hand")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AssetAlias]) -> QuerySet[AssetAlias]:  # noqa: ARG002
        undecided = {"asset__isnull": True}
        return {
            "none": lambda: queryset.filter(**undecided).exclude(matched=HAND),
            "found": lambda: queryset.exclude(**undecided),
            HAND: lambda: queryset.filter(matched=HAND),
        }.get(self.value() or "", lambda: queryset)()


@admin.register(Asset)
class AssetAdmin(ReadOnly):
    """Our coins, for search; exact symbols first."""

    list_display = ("id", "symbol", "name")
    search_fields = ("=symbol", "^id", "name")
    ordering = ("id",)
    show_full_result_count = False


@admin.register(AssetAlias)
class AssetAliasAdmin(Buttons):
    list_display = ("foreign_id", "provider", "symbol", "name", "coin")
    list_filter = (Matched, "provider")
    list_select_related = ("asset",)
    list_per_page = 50
    search_fields = ("=symbol", "=foreign_id", "name")
    show_full_result_count = False
    fields = ("provider", "foreign_id", "symbol", "name", "asset", "matched")
    readonly_fields = ("provider", "foreign_id", "symbol", "name", "matched")
    autocomplete_fields = ("asset",)
    actions = ("choose_none", "forget")
    buttons = ("choose",)
    change_form_template = "admin/providers/alias.html"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["help_texts"] = {
            "asset": "Search by symbol, id or name. Empty: none of our coins. Your choice is never overruled."
        }
        return super().get_form(request, obj, change, **kwargs)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        alias = self.get_object(request, object_id)
        if alias is not None and self.has_view_or_change_permission(request, alias):
            more = {"candidates": identity.candidates(alias.symbol)}
            kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **more}
        return super().change_view(request, object_id, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: AssetAlias, form: ModelForm, change: bool) -> None:
        if "asset" in form.changed_data:
            obj.matched = HAND
        super().save_model(request, obj, form, change)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        if "asset" in form.changed_data:
            return f"Chosen: {form.instance.asset_id or 'none of our coins'}."
        return super().construct_change_message(request, form, formsets, add)

    @admin.display(description="our coin")
    def coin(self, alias: AssetAlias) -> str:
        """The coin and its evidence; without a match, the coins with the same symbol."""
        if alias.asset_id or alias.matched == HAND:
            how = "chosen by hand" if alias.matched == HAND else f"matched by {alias.matched}"
            return detailed_lines([(str(alias.asset or "none of ours"), how)])
        candidates = identity.candidates(alias.symbol)
        more = [("", f"and {len(candidates) - _SHOWN} more")] if len(candidates) > _SHOWN else []
        shown = [(f"{name} ({coin})?", "") for coin, name in candidates[:_SHOWN]]
        return detailed_lines([*shown, *more] or [("", "no coin has the symbol")])

    # --- actions ------------------------------------------------------------------------------------------------------

    def choose(self, request: HttpRequest, alias: AssetAlias) -> None:
        """The button beside a candidate: choose that coin."""
        asset = Asset.objects.filter(pk=request.POST.get("coin", "")).first()
        if asset is None:
            messages.error(request, f"{alias}: this coin does not exist.")
            return
        self._decide(request, alias, asset)

    @admin.action(description="Choose none of our coins", permissions=["change"])
    def choose_none(self, request: HttpRequest, queryset: QuerySet[AssetAlias]) -> None:
        for alias in queryset:
            self._decide(request, alias, None)

    def _decide(self, request: HttpRequest, alias: AssetAlias, asset: Asset | None) -> None:
        alias.asset, alias.matched = asset, HAND
        alias.save(update_fields=["asset", "matched"])
        self.report(request, alias, messages.SUCCESS, "Chosen", f"{asset or 'none of our coins'}.")

    @admin.action(description="Undo the choice: match automatically again", permissions=["change"])
    def forget(self, request: HttpRequest, queryset: QuerySet[AssetAlias]) -> None:
        chosen = list(queryset)
        for alias in chosen:
            alias.asset, alias.matched = None, ""
            alias.save(update_fields=["asset", "matched"])
        when = "Spot fetches the provider's list now" if _remapped(chosen) else "with the provider's next list"
        for alias in chosen:
            self.report(request, alias, messages.SUCCESS, "Choice undone", f"matched automatically again: {when}.")


def _remapped(aliases: list[AssetAlias]) -> bool:
    """Make a new fetch of their providers' lists due; False when Redis does not answer."""
    try:
        for name in {alias.provider for alias in aliases}:
            mapping.remap(connection(), name)
    except RedisError:
        return False
    return True
