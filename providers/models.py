"""Settings that an operator changes at run time, and records. Providers and plans are stored by name and validated
against the registry in `clean`, not by `choices`, so that a new adapter needs no migration."""

from __future__ import annotations

from typing import cast

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models

import providers
from providers import vault
from providers.base import Plan, Provider, base_url_problem, stream_url_problem
from providers.datasets import Kind
from providers.vault import Secret

#: A fetch of the market is two calls at once, so a limit of one a minute would allow none.
LEAST_PER_MINUTE = 2


class ProviderSettings(models.Model):
    """One row per provider, created by migrate. An empty field falls back to the environment, then to the plan."""

    name = models.CharField(max_length=40, unique=True, editable=False)
    enabled = models.BooleanField(default=True, help_text="Off: no calls, no stream.")
    base_url = models.CharField(
        "base URL", max_length=300, blank=True, help_text="Empty: the environment's, else the plan's own address."
    )
    per_minute = models.PositiveIntegerField(
        "calls per minute",
        null=True,
        blank=True,
        validators=[MaxValueValidator(100_000)],
        help_text="0: no limit. Empty: the environment's, else the plan's.",
    )
    per_month = models.PositiveIntegerField(
        "calls per month",
        null=True,
        blank=True,
        validators=[MaxValueValidator(1_000_000_000)],
        help_text="0: no limit. Empty: the environment's, else the plan's. Spread evenly over the month (UTC).",
    )
    stream_url = models.CharField(
        "stream URL", max_length=300, blank=True, help_text="Empty: the environment's, else the plan's own address."
    )
    stream_coins = models.PositiveIntegerField(
        "coins streamed",
        null=True,
        blank=True,
        validators=[MaxValueValidator(500)],
        help_text="How many coins, the largest first, its stream keeps fresh between polls. 0: none. Empty: 20.",
    )

    class Meta:
        ordering = ("name",)
        verbose_name = "provider"

    def __str__(self) -> str:
        return self.provider.label if self.provider else f"{self.name} (no longer installed)"

    @property
    def provider(self) -> Provider | None:
        """The provider of the row; None when its adapter is not installed."""
        return providers.get(self.name)

    def clean(self) -> None:
        problems = {}
        self.base_url = self.base_url.strip().rstrip("/")
        if self.base_url and (problem := base_url_problem(self.base_url)):
            problems["base_url"] = problem
        self.stream_url = self.stream_url.strip().rstrip("/")
        if self.stream_url and (problem := stream_url_problem(self.stream_url)):
            problems["stream_url"] = problem
        if self.per_minute is not None and 0 < self.per_minute < LEAST_PER_MINUTE:
            problems["per_minute"] = f"At least {LEAST_PER_MINUTE}, because a fetch of the market is two calls; or 0."
        if problems:
            raise ValidationError(problems)


class Sealed(models.Model):
    """A row with a secret, encrypted. `manage.py reencrypt_keys` renews every one."""

    token = models.TextField(editable=False)

    class Meta:
        abstract = True

    @property
    def secret(self) -> Secret:
        """The secret itself. Raises `vault.Locked` when the key that encrypted it is not configured."""
        return vault.unlock(self.token)

    @secret.setter
    def secret(self, secret: Secret) -> None:
        self._seal(secret)

    def _seal(self, secret: Secret) -> None:
        self.token = vault.lock(secret)


class ApiKey(Sealed):
    """A provider's key and its plan. Enabled keys are used in turn; the text is never shown."""

    provider = models.ForeignKey(ProviderSettings, on_delete=models.CASCADE, related_name="keys")
    plan = models.CharField(max_length=40)
    label = models.CharField(max_length=80, blank=True, help_text="For your own eyes, such as the account's name.")
    enabled = models.BooleanField(default=True)
    per_minute = models.PositiveIntegerField(
        "calls per minute",
        null=True,
        blank=True,
        validators=[MaxValueValidator(100_000)],
        help_text="For this key. 0: no limit. Empty: the provider's own limit applies.",
    )
    per_month = models.PositiveIntegerField(
        "calls or credits per month",
        null=True,
        blank=True,
        validators=[MaxValueValidator(1_000_000_000)],
        help_text="For this key. 0: no limit. Empty: the provider's own limit applies.",
    )
    last_four = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField("entered", auto_now_add=True)

    class Meta:
        ordering = ("provider__name", "-pk")
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{self.provider} {self.plan} key {self.masked}"

    @property
    def masked(self) -> str:
        """The only form in which it is shown."""
        return f"••••{self.last_four}"

    def _seal(self, secret: Secret) -> None:
        super()._seal(secret)
        self.last_four = secret.reveal()[-4:] if len(secret.reveal()) >= 12 else ""

    @property
    def tariff(self) -> Plan | None:
        """The declaration of the plan; None when the adapter no longer has it."""
        return self.provider.provider.plan(self.plan) if self.provider.provider else None

    def clean(self) -> None:
        provider = self.provider.provider if self.provider_id else None
        if provider is None:
            return
        plans = [plan.name for plan in provider.plans if plan.header]
        if not plans:
            raise ValidationError({"provider": f"{provider.label} takes no key."})
        if self.plan not in plans:
            raise ValidationError({"plan": f"{provider.label} has no such plan. It has: {', '.join(plans)}."})


class Chain(models.Model):
    """The order of providers for one kind of dataset. Without a row or names, the adapters' own order applies."""

    kind = models.CharField(max_length=20, unique=True, editable=False)
    order = models.CharField(
        max_length=300,
        blank=True,
        help_text="Names of providers, separated by commas. Empty: all, in Spot's own order.",
    )

    class Meta:
        ordering = ("kind",)
        verbose_name = "provider order"
        verbose_name_plural = "provider orders"

    def __str__(self) -> str:
        return self.kind

    @property
    def names(self) -> list[str]:
        """The names of the providers, in order."""
        return [name for part in self.order.split(",") if (name := part.strip())]

    def clean(self) -> None:
        kind = cast("Kind", self.kind)
        capable = [provider.name for provider in providers.all() if not provider.simulated and provider.endpoint(kind)]
        if unknown := [name for name in self.names if name not in capable]:
            problem = f"{', '.join(unknown)}: no provider of {self.kind}. There are: {', '.join(capable)}."
            raise ValidationError({"order": problem})
        if len(set(self.names)) != len(self.names):
            raise ValidationError({"order": "Name each provider only once."})


class Asset(models.Model):
    """A coin by its canonical id, that of the first provider. A symbol is no identity: many coins share one."""

    id = models.CharField(max_length=100, primary_key=True)
    symbol = models.CharField(max_length=60, db_index=True)
    name = models.CharField(max_length=300)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.name} ({self.symbol}, {self.pk})"


class AssetAlias(models.Model):
    """A coin of another provider. `asset` is empty without an unambiguous match."""

    provider = models.CharField(max_length=40)
    foreign_id = models.CharField(max_length=100)
    symbol = models.CharField(max_length=60, db_index=True)
    name = models.CharField(max_length=300)
    slug = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",  # a version before this one inserts rows without it
        help_text="The provider's own name in addresses.",
    )
    asset = models.ForeignKey(Asset, null=True, blank=True, on_delete=models.SET_NULL, related_name="aliases")
    matched = models.CharField(max_length=20, blank=True, help_text="How the coin was recognised.")

    class Meta:
        ordering = ("provider", "foreign_id")
        verbose_name_plural = "asset aliases"
        constraints = [models.UniqueConstraint(fields=["provider", "foreign_id"], name="one_alias_an_id")]

    def __str__(self) -> str:
        return f"{self.provider} {self.foreign_id}"


class DailyUsage(models.Model):
    """The ledger: the usage of one account on one day (UTC). `account` identifies the key and is not secret."""

    provider = models.CharField(max_length=40)
    account = models.CharField(max_length=80)
    key = models.CharField(max_length=20, blank=True, help_text="The key's name, as it was when it was last in use.")
    day = models.DateField()
    calls = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveBigIntegerField(default=0)
    millicredits = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ("-day", "provider", "account")
        verbose_name = "daily usage record"
        verbose_name_plural = "daily usage records"
        constraints = [models.UniqueConstraint(fields=["provider", "account", "day"], name="one_line_a_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.provider} {self.account}"


class Announcement(models.Model):
    """An announcement of an exchange, stored once. Times are epoch milliseconds."""

    id = models.CharField(max_length=40, primary_key=True)
    exchange = models.CharField(max_length=40, db_index=True)
    type = models.CharField(max_length=40)
    title = models.CharField(max_length=500)
    tickers = models.JSONField(default=list)
    published_at = models.BigIntegerField(null=True)
    detected_at = models.BigIntegerField(null=True)
    received_at = models.BigIntegerField(db_index=True)
    source = models.CharField(max_length=40)

    class Meta:
        ordering = ("-received_at", "-id")
        indexes = [models.Index(fields=["exchange", "type", "title"], name="announcement_wording")]

    def __str__(self) -> str:
        return f"{self.exchange}: {self.title}"


def key_problem(text: str) -> str:
    """The problem with a key that was entered, as a sentence without the key; "" if there is none."""
    if not text:
        return "Paste the key."
    if not (text.isascii() and text.isprintable()) or " " in text:
        return "A key has only letters, digits and signs, and no spaces. Copy it again."
    if not 8 <= len(text) <= 200:
        return f"A key has between 8 and 200 characters, this has {len(text)}."
    return ""
