"""Rules, where they stand, targets, and the outbox of what fired. Times are epoch milliseconds unless a name says
otherwise."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from providers.models import Sealed
from spot.alerts.conditions import Condition, State

_DAY = 86_400


class Target(Sealed):
    """Where webhooks go, and the secret that signs them."""

    name = models.CharField(max_length=80, unique=True)
    url = models.CharField("URL", max_length=1000, help_text="https://host/path. Observers see its host only.")
    enabled = models.BooleanField(default=True, help_text="Off: nothing is sent; what waits goes on waiting.")
    for_operators = models.BooleanField(
        "for operators",
        default=False,
        db_default=False,  # a version before this one inserts rows without it
        help_text="Also gets what operators must know: stale data, budgets that do not last, refused keys, failing "
        "providers.",
    )
    created_at = models.DateTimeField("entered", auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def site(self) -> str:
        """The URL without its path, which may contain a token."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/…"


class Rule(models.Model):
    """A view and a condition on its rows. Feed, kind and direction are names, checked by the form."""

    name = models.CharField(max_length=120, unique=True)
    enabled = models.BooleanField(default=True, help_text="Off: paused. It begins anew when it is switched on again.")
    feed = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict, blank=True)
    kind = models.CharField("condition", max_length=20)
    field = models.CharField(max_length=60, blank=True, help_text="The number that is compared, such as price.")
    value = models.FloatField(null=True, blank=True, help_text="The threshold; for a change, percent.")
    window_seconds = models.PositiveIntegerField(
        "window (s)", null=True, blank=True, validators=[MinValueValidator(60), MaxValueValidator(7 * _DAY)]
    )
    direction = models.CharField(max_length=10, default="either")
    hysteresis = models.FloatField(
        "hysteresis (%)",
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="How far, in percent of the value, a row must go back before it can fire again.",
    )
    confirm = models.PositiveSmallIntegerField(
        "answers that agree",
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text="A row has entered or left when so many answers in a row say so.",
    )
    cooldown_seconds = models.PositiveIntegerField(
        "cool-down (s)",
        default=300,
        validators=[MaxValueValidator(7 * _DAY)],
        help_text="A row fires at most once in this time.",
    )
    recovery = models.BooleanField("recovery too", default=False, help_text="Fires when the view has recovered, too.")
    simulated = models.BooleanField("simulated data too", default=False, help_text="Fires on the demo's prices, too.")
    targets = models.ManyToManyField(Target, blank=True, related_name="rules")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def condition(self) -> Condition:
        """The condition, for `conditions.step`."""
        return Condition(
            kind=self.kind,  # type: ignore[arg-type]
            value=self.value or 0.0,
            window_ms=(self.window_seconds or 0) * 1000,
            direction=self.direction,  # type: ignore[arg-type]
            hysteresis=self.hysteresis,
            confirm=self.confirm,
            cooldown_ms=self.cooldown_seconds * 1000,
            recovery=self.recovery,
            simulated=self.simulated,
        )

    @property
    def signature(self) -> str:
        """A digest of everything that makes the rule another one, which begins anew."""
        parts = [self.feed, self.parameters, self.kind, self.field, self.value, self.window_seconds, self.direction]
        return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def view_digest(self) -> str:
        """A digest of its view: rules with equal ones share an evaluation."""
        return hashlib.sha256(orjson.dumps([self.feed, self.parameters], option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]


class Standing(models.Model):
    """Where the rows of a rule stand. `serial` counts its changes: a worker that has not seen the last one changes
    nothing. `problem`: why it is not evaluated."""

    rule = models.OneToOneField(Rule, on_delete=models.CASCADE, related_name="standing")
    signature = models.CharField(max_length=64, blank=True)
    serial = models.PositiveBigIntegerField(default=0)
    state = models.JSONField(default=dict)
    problem = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.rule}: {self.serial}"

    def read(self, signature: str, samples: Any) -> State:
        """The state, with the samples that are stored elsewhere; a new one after the rule has changed."""
        if self.signature != signature or not self.state:
            return State()
        return State(**self.state, samples=samples or {})


class Alert(models.Model):
    """What fired, with the body as it is sent. Receivers recognise a repetition by its id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    rule = models.ForeignKey(Rule, null=True, on_delete=models.SET_NULL, related_name="alerts")
    rule_name = models.CharField("rule", max_length=120)
    event = models.CharField(max_length=20)
    key = models.CharField("row", max_length=120, blank=True)
    simulated = models.BooleanField(default=False)
    fired_at = models.BigIntegerField(db_index=True)
    body = models.TextField()

    class Meta:
        ordering = ("-fired_at", "id")

    def __str__(self) -> str:
        return " ".join(filter(None, (self.rule_name, self.event, self.key)))


class Delivery(models.Model):
    """An alert on its way to a target."""

    WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given up"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    target = models.ForeignKey(Target, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, default=WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.BigIntegerField(default=0)
    claimed_until = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "deliveries"
        indexes = [models.Index(fields=["state", "target", "due_at"], name="deliveries_due")]

    def __str__(self) -> str:
        return f"{self.alert} to {self.target}"


class Attempt(models.Model):
    """One try of a delivery: the status of the answer, or the problem."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="log")
    at = models.BigIntegerField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    problem = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.status or self.problem} after {self.duration_ms} ms"
