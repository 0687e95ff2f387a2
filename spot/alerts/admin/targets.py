"""Targets: where webhooks go. The signing secret is shown once, when Spot made it."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from providers import reachable
from providers.admin.acting import Buttons
from providers.admin.words import marked, moment, number
from providers.errors import ProviderError
from providers.vault import Locked, Secret
from spot.alerts import couriers
from spot.alerts.models import Attempt, Delivery, Target
from spot.snapshots import now_ms

_SHORTEST, _LONGEST = 16, 200


class TargetForm(forms.ModelForm):
    """The form of a target. An empty secret is made by Spot for a new target, and left unchanged for others."""

    #: A URL may contain a token of the receiver, so that the history only says that it changed.
    unrecorded = ("url",)

    secret = forms.CharField(
        label="Signing secret",
        required=False,
        max_length=1000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "size": 60}),
        help_text="Empty: Spot makes one and shows it once.",
    )

    class Meta:
        model = Target
        fields = ("name", "url", "enabled", "for_operators")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "secret" in self.fields:
            self.fields["secret"].help_text = "Empty: it stays as it is. It is shown nowhere."

    def clean_url(self) -> str:
        url = self.cleaned_data["url"].strip()
        if problem := reachable.url_problem(url):
            raise forms.ValidationError(problem)
        return str(url)

    @sensitive_variables()
    def clean_secret(self) -> Secret:
        """Wrap the text, so that no error report can show it."""
        text = self.cleaned_data["secret"]
        if text and not (text.isascii() and text.isprintable() and " " not in text):
            raise forms.ValidationError("A secret has only letters, digits and signs, and no spaces.")
        if text and not _SHORTEST <= len(text) <= _LONGEST:
            raise forms.ValidationError(f"A secret has {_SHORTEST} to {_LONGEST} characters, this has {len(text)}.")
        return Secret(text)

    def save(self, commit: bool = True) -> Target:
        if secret := self.cleaned_data["secret"]:
            self.instance.secret = secret
        return super().save(commit)


@admin.register(Target)
class TargetAdmin(Buttons):
    form = TargetForm
    fields = ("name", "url", "secret", "enabled", "for_operators")
    list_display = ("name", "site", "state", "waiting", "last")
    buttons = ("test",)
    actions = ("test_targets",)
    change_form_template = "admin/alerts/target.html"

    def get_fields(self, request: HttpRequest, obj: Target | None = None) -> Any:
        if self.has_change_permission(request, obj) or (obj is None and self.has_add_permission(request)):
            return self.fields
        return ("name", "site", "enabled", "for_operators", "created_at")

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        message = super().construct_change_message(request, form, formsets, add)
        return f"{message} URL: changed." if "url" in form.changed_data and not add else message

    @method_decorator(sensitive_post_parameters("secret"))
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(*args, **kwargs)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if (target := kwargs.get("obj")) is not None:
            context |= {name: getattr(self, name)(target) for name in ("state", "waiting", "last")}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Target, form: forms.ModelForm, change: bool) -> None:
        if not change and not form.cleaned_data["secret"]:
            made = Secret(f"whsec_{secrets.token_urlsafe(32)}")
            obj.secret = made
            messages.warning(
                request,
                format_html(
                    "The signing secret, shown only now: <code>{}</code> Copy it to the receiver.", made.reveal()
                ),
            )
        super().save_model(request, obj, form, change)
        if obj.url.startswith("http:"):
            messages.warning(request, "The URL is plain HTTP: others on the way can read what is sent.")
        try:
            reachable.resolved(obj.url, settings.SPOT_WEBHOOK_NETWORKS)
        except ProviderError as error:
            messages.warning(request, f"Nothing can be sent there now: {error.message}.")

    # --- columns ------------------------------------------------------------------------------------------------------

    @admin.display(description="URL")
    def site(self, target: Target) -> str:
        return target.site

    @admin.display(description="state")
    def state(self, target: Target) -> str:
        try:
            target.secret  # noqa: B018 - reading it is the test
        except Locked:
            return marked("bad", "the secret cannot be decrypted", "enter it again")
        if not target.enabled:
            return marked("off", "switched off")
        last = Attempt.objects.filter(delivery__target=target).first()
        if last is None:
            return marked("unknown", "nothing sent yet")
        return marked("bad", "failing", last.problem) if last.problem else marked("good", "ready")

    @admin.display(description="waiting")
    def waiting(self, target: Target) -> str:
        return number(target.deliveries.filter(state=Delivery.WAITING).count(), "webhook")

    @admin.display(description="last try")
    def last(self, target: Target) -> str:
        last = Attempt.objects.filter(delivery__target=target).first()
        return f"{moment(last.at, now_ms())}: {outcome(last)}" if last else "-"

    # --- actions ------------------------------------------------------------------------------------------------------

    @admin.action(description="Test the selected targets", permissions=["change"])
    def test_targets(self, request: HttpRequest, queryset: Any) -> None:
        for target in queryset:
            self.test(request, target)

    def test(self, request: HttpRequest, target: Target) -> None:
        """The button: one webhook of type test, sent now."""
        tried = couriers.send_test(target)
        level = messages.ERROR if tried.problem else messages.SUCCESS
        self.report(request, target, level, "Sent a test", f"{outcome(tried)}.")


def outcome(tried: Attempt) -> str:
    """The outcome of a try as a phrase."""
    parts = [str(tried.status or ""), tried.problem]
    return f"{': '.join(filter(None, parts))} after {tried.duration_ms:,} ms"
