"""Actions that the operator starts from a page, such as a test. The page shows the outcome; the admin's log has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from redis.exceptions import RedisError

from providers.access import Access
from providers.client import scrub
from providers.errors import ProviderError
from providers.probing import probe
from providers.vault import Secret

#: The length of an outcome in the log.
_LOGGED = 200


class Recorded(admin.ModelAdmin):
    """A model whose history records the old and new value of each changed field, and of a `Secret` only the change."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: ARG002
        changes = [_change(form, name, add) for name in (form.fields if add else form.changed_data)]
        return f"{'Added' if add else 'Changed'}. {' '.join(filter(None, changes))}".strip()


def _change(form: Any, name: str, add: bool) -> str:
    """The change of one field as a sentence; "" for a field that an addition left empty."""
    field = form[name]
    before, after = getattr(form, "before", {}).get(name, field.initial), form.cleaned_data.get(name)
    if name in getattr(form, "unrecorded", ()):
        return ""
    if isinstance(after, Secret):
        return f"{field.label}: changed." if after and not add else ""
    if add:
        return f"{field.label}: {_shown(after)}." if after not in (None, "") else ""
    return f"{field.label}: {_shown(before)} → {_shown(after)}."


def _shown(value: Any) -> str:
    """A value as the history writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, ""):
        return "empty"
    return f"{value:,}" if isinstance(value, int) else str(value)


class Buttons(Recorded):
    """A model whose pages have buttons. Each is a POST to `<id>/<name>/`, allowed with the permission to change the
    object. It calls the method of that name with request and object, and answers with what that returns, or else
    redirects to the object's page."""

    buttons: Sequence[str] = ()

    def get_urls(self) -> list[URLPattern]:
        view, info = self.admin_site.admin_view(self._pressed), f"{self.opts.app_label}_{self.opts.model_name}"
        own = [path(f"<path:object_id>/{name}/", view, {"name": name}, f"{info}_{name}") for name in self.buttons]
        return own + super().get_urls()

    def _pressed(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        subject = self.get_object(request, object_id)
        if not self.has_change_permission(request, subject):
            raise PermissionDenied
        if subject is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]
        if (answer := getattr(self, name)(request, subject)) is not None:
            return answer
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=[subject.pk], current_app=self.admin_site.name))

    def report(self, request: HttpRequest, subject: Model, level: int, action: str, outcome: str) -> None:
        """Show the outcome on the page, and write it into the object's history."""
        messages.add_message(request, level, f"{subject}: {outcome}")
        self.log_change(request, subject, f"{action}: {outcome}"[:_LOGGED])

    def probe(self, request: HttpRequest, subject: Model, entry: Access, action: str) -> None:
        """Make one call with that access, and report the outcome."""
        if entry.plan.header and not entry.key:
            messages.error(request, f"{subject}: there is no key to test it with.")
            return
        try:
            level, outcome = messages.SUCCESS, f"{probe(entry)}."
        except ProviderError as error:
            level, outcome = messages.ERROR, f"{error.message}."
        except RedisError:
            level, outcome = messages.ERROR, "not tested: Redis, which has the budget, does not answer."
        self.report(request, subject, level, action, scrub(outcome, entry))


class ReadOnly(admin.ModelAdmin):
    """A model that only the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
