"""Keys of clients, their plans, and what they used by day, as the operator sees them.

Web processes read them whole into `spot.clients.book`; nothing on the way of a request asks the database.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from providers.vault import Secret
from spot.clients import keys
from spot.clients.plans import Plan, default_plan
from spot.clients.protocols import label, passed_for
from spot.feeds import FEEDS
from spot.feeds.price import PRICE
from spot_project import hosts

#: What a plan may have or lack: every feed, and single coins on the stream.
CHANNELS = (*FEEDS, PRICE.channel)
_MOST = MaxValueValidator(1_000_000_000)
_NONE_OR_SITE = "0: no limit. Empty: as {setting} says."


def _limit(name: str, help_text: str) -> models.PositiveIntegerField:
    return models.PositiveIntegerField(name, null=True, blank=True, validators=[_MOST], help_text=help_text)


class ClientPlan(models.Model):
    """What a client may use. An empty field is as the settings say."""

    #: The name of the plan of everybody without a key.
    ANONYMOUS = "anonymous"

    name = models.CharField(max_length=40, unique=True)
    enabled = models.BooleanField(default=True, help_text="Off: nobody is served with this plan.")
    connections = _limit("connections", _NONE_OR_SITE.format(setting="SPOT_CONNECTIONS_PER_ADDRESS"))
    subscriptions = _limit("subscriptions of a connection", _NONE_OR_SITE.format(setting="SPOT_SUBSCRIPTIONS"))
    messages_out_per_second = models.FloatField(
        "messages a second to a connection",
        null=True,
        blank=True,
        validators=[MinValueValidator(0), _MOST],
        help_text="Of what changes faster, the newest is sent. 0 or empty: no limit.",
    )
    messages_per_minute = _limit(
        "messages a minute from a connection", _NONE_OR_SITE.format(setting="SPOT_MESSAGES_PER_SECOND")
    )
    requests_per_minute = _limit("HTTP requests a minute", _NONE_OR_SITE.format(setting="SPOT_REQUESTS_PER_MINUTE"))
    credits_per_month = _limit(
        "credits a month",
        "A connection or a request costs 1 or more, a message 0.1. The month is UTC's. 0 or empty: no limit.",
    )
    channels = models.JSONField("feeds", default=list, blank=True, help_text="None chosen: all.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("pk",)
        verbose_name = "plan"

    def __str__(self) -> str:
        return self.name

    @property
    def is_anonymous(self) -> bool:
        """Whether it is the plan of everybody without a key."""
        return self.name == self.ANONYMOUS

    @property
    def plan(self) -> Plan:
        """Its limits, with the settings' in empty fields."""
        usual = default_plan()

        def or_usual(value: int | None, usual: int) -> int:
            return usual if value is None else value

        minute = self.messages_per_minute
        return replace(
            usual,
            connections=or_usual(self.connections, usual.connections),
            messages_per_second=usual.messages_per_second if minute is None else minute / 60,
            requests_per_minute=or_usual(self.requests_per_minute, usual.requests_per_minute),
            subscriptions=or_usual(self.subscriptions, usual.subscriptions),
            messages_out_per_second=self.messages_out_per_second or 0,
            credits_per_month=self.credits_per_month or 0,
            channels=frozenset(self.channels),
            name=self.name,
        )

    def clean(self) -> None:
        if unknown := [str(name) for name in self.channels if name not in CHANNELS]:
            raise ValidationError(
                {"channels": f"{', '.join(unknown)}: no such feed. There are: {', '.join(CHANNELS)}."}
            )


class Protocol(models.Model):
    """Another vendor's protocol, which is served until the operator switches it off."""

    name = models.CharField(max_length=40, unique=True, editable=False)
    enabled = models.BooleanField(default=True, help_text="Off: nobody is served at its paths.")
    document_share = models.FloatField(
        "share for documents",
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="The percentage of the calls that polls leave over which documents passed on for it may use. 0: none "
        "is fetched, and those that are there are served with their age. Empty: as SPOT_DOCUMENT_SHARE says.",
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        verbose_name = "protocol"

    def __str__(self) -> str:
        return label(self.name)

    @property
    def passes_documents(self) -> bool:
        """Whether documents of its vendor are passed on."""
        return self.name == passed_for("document")


class ClientKey(models.Model):
    """A key that the operator gave to a client. Its text is shown once; the database has its hash."""

    name = models.CharField(max_length=80, help_text="For your own eyes, such as the customer's name.")
    plan = models.ForeignKey(ClientPlan, on_delete=models.PROTECT, related_name="keys")
    expires_at = models.DateTimeField("expires", null=True, blank=True, help_text="UTC. Empty: never.")
    origins = models.TextField(
        "allowed origins",
        blank=True,
        help_text="Pages that may use the key, as scheme://host[:port], one a line; * for any. Programs send no origin "
        "and are not bound by it. Empty: pages of this site, and of SPOT_ALLOWED_ORIGINS.",
    )
    networks = models.TextField(
        "allowed networks",
        blank=True,
        help_text="Addresses that may use the key, such as 192.0.2.0/24, one a line. Empty: all.",
    )
    note = models.TextField(blank=True)
    prefix = models.CharField(max_length=20, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    #: The hash of the key before, and until when that is good too.
    old_digest = models.CharField(max_length=64, blank=True, editable=False)
    old_until = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField("revoked", null=True, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    #: The text of a key that has just been made, for the one page that shows it.
    secret: Secret | None = None

    class Meta:
        ordering = ("-pk",)
        verbose_name = "client key"

    def __str__(self) -> str:
        return f"{self.name} ({self.masked})"

    @property
    def masked(self) -> str:
        """The only form in which the key is shown again."""
        return f"{self.prefix}…{self.last_four}"

    def give(self, secret: Secret, old_until: datetime | None = None) -> None:
        """Make that its key. `old_until`: until when the key before stays good too."""
        text = secret.reveal()
        self.old_digest, self.old_until = (self.digest, old_until) if old_until else ("", None)
        self.digest = keys.digests(text)[0].hex()
        self.prefix, self.last_four, self.secret = text[: keys.SHOWN], text[-4:], secret

    def clean(self) -> None:
        problems = {}
        for field, read, what in (
            ("origins", hosts.listed_origin, "an origin such as https://example.org"),
            ("networks", _network, "a network such as 192.0.2.0/24"),
        ):
            try:
                setattr(self, field, "\n".join(dict.fromkeys(_entries(getattr(self, field), read))))
            except ValueError as error:
                problems[field] = f"{error.args[0]!r} is not {what}."
        if self.plan_id and self.plan.is_anonymous:
            problems["plan"] = "The plan anonymous is for everybody without a key. Choose another."
        if problems:
            raise ValidationError(problems)


def _entries(text: str, read: Callable[[str], str]) -> list[str]:
    """The entries of a text in one spelling. Raises ValueError with the one that is none."""
    entries = []
    for entry in text.replace(",", "\n").split():
        try:
            entries.append(read(entry))
        except ValueError:
            raise ValueError(entry[:100]) from None
    return entries


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


class ClientUsage(models.Model):
    """What one key used on one day (UTC)."""

    key = models.ForeignKey(ClientKey, on_delete=models.PROTECT, related_name="usage")
    day = models.DateField()
    connections = models.PositiveBigIntegerField(default=0)
    messages = models.PositiveBigIntegerField(default=0)
    requests = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    millicredits = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ("-day", "key")
        verbose_name = "client usage record"
        constraints = [models.UniqueConstraint(fields=["key", "day"], name="one_line_a_key_and_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.key}"

    @property
    def credits(self) -> float:
        """Its credits."""
        return self.millicredits / 1000
