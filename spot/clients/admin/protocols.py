"""Protocols of other vendors: whether each is served, and how much it is used."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.forms import ModelForm
from django.http import HttpRequest
from redis.exceptions import RedisError

from providers.admin.acting import Recorded
from providers.admin.words import marked, number
from spot import snapshots
from spot.clients.models import Protocol
from spot.clients.protocols import DAYS, PREFIX, Used, used


@admin.register(Protocol)
class ProtocolAdmin(Recorded):
    list_display = ("__str__", "state", "paths", "share", "use")
    actions = None

    def get_fields(self, _request: HttpRequest, obj: Protocol | None = None) -> tuple[str, ...]:
        return ("enabled", "document_share") if obj is not None and obj.passes_documents else ("enabled",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Protocol | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Protocol, form: ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "enabled" in form.changed_data and not obj.enabled:
            messages.info(request, "Connections of this protocol are closed within seconds, and requests refused.")

    @admin.display(description="state", ordering="enabled")
    def state(self, obj: Protocol) -> str:
        return marked("good", "served") if obj.enabled else marked("off", "switched off")

    @admin.display(description="paths")
    def paths(self, obj: Protocol) -> str:
        return f"{PREFIX}{obj.name}/"

    @admin.display(description="share for documents", ordering="document_share")
    def share(self, obj: Protocol) -> str:
        if not obj.passes_documents:
            return "passes none on"
        if obj.document_share is None:
            return f"{settings.SPOT_DOCUMENT_SHARE:g}%, as SPOT_DOCUMENT_SHARE says"
        return f"{obj.document_share:g}%"

    @admin.display(description=f"use in {DAYS} days")
    def use(self, obj: Protocol) -> str:
        try:
            use = used(snapshots.connection(), DAYS).get(obj.name, Used())
        except RedisError:
            return "unknown: Redis does not answer"
        asked, fetched = number(use.calls, "call"), number(use.fetched, "call")
        return f"{asked}, {use.hits:,} of them answered at once; {fetched} to providers, {use.saved:,} saved"
