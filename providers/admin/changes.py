"""One line of the log for each change in the admin: who changed what, and which fields. Importing connects it.

The texts are those of the admin's own log, in which a `Secret` is only said to have changed.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import structlog
from django.contrib import admin
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models import Model, QuerySet
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

log = structlog.get_logger("spot.admin")

_ACTIONS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}
#: The length of a text in a line.
_LONGEST = 500


@receiver(post_save, sender=LogEntry)
def _note(instance: LogEntry, created: bool, **_: Any) -> None:
    if created:
        kind = instance.content_type
        model = f"{kind.app_label}.{kind.model}" if kind is not None else ""
        user, change = instance.user.get_username(), instance.get_change_message()
        _write(user, _ACTIONS[instance.action_flag], model, instance.object_id, instance.object_repr, change)


@wraps(delete_selected)
def _delete_selected(model_admin: Any, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
    """Django's own action. Of several objects it stores the entries in one go, which no signal tells."""
    chosen = [(str(row.pk), str(row)) for row in queryset] if request.POST.get("post") else []
    answer = delete_selected(model_admin, request, queryset)
    if answer is None and len(chosen) > 1:
        for key, name in chosen:
            _write(request.user.get_username(), _ACTIONS[DELETION], model_admin.opts.label_lower, key, name, "")
    return answer


admin.site.add_action(_delete_selected, "delete_selected")


def _write(user: str, action: str, model: str, key: str | None, name: str, change: str) -> None:
    subject = {"model": model, "id": key, "object": name[:_LONGEST]}
    log.info("admin change", user=user, action=action, **subject, change=change[:_LONGEST])
