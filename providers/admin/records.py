"""What the program writes and operators read: usage by day, announcements, and the admin's own log."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import admin
from django.contrib.admin.models import LogEntry

import providers
from providers import ledger
from providers.admin.acting import ReadOnly
from providers.admin.words import grouped
from providers.models import Announcement, DailyUsage


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnly):
    list_display = ("day", "provider_name", "key_name", "calls", "failures", "credits")
    list_filter = ("provider",)
    date_hierarchy = "day"
    fields = ("day", "provider_name", "key_name", "calls", "failures", "credits")

    @admin.display(description="provider", ordering="provider")
    def provider_name(self, line: DailyUsage) -> str:
        provider = providers.get(line.provider)
        return provider.label if provider else line.provider

    @admin.display(description="key", ordering="account")
    def key_name(self, line: DailyUsage) -> str:
        """The key's name; of lines older than these names, that of a key still in use."""
        return line.key or ledger.key_names().get(line.account, "a key that is no longer here")

    @admin.display(description="credits", ordering="millicredits")
    def credits(self, line: DailyUsage) -> str:
        return grouped(line.millicredits / 1000)


@admin.register(Announcement)
class AnnouncementAdmin(ReadOnly):
    list_display = ("received", "exchange", "type", "title", "coins", "source")
    list_filter = ("exchange", "type", "source")
    search_fields = ("title", "id")
    show_full_result_count = False

    @admin.display(description="received", ordering="received_at")
    def received(self, one: Announcement) -> datetime:
        return datetime.fromtimestamp(one.received_at / 1000, UTC)

    @admin.display(description="coins")
    def coins(self, one: Announcement) -> str:
        return ", ".join(map(str, one.tickers))


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    """Who changed, tested and reset what: everybody's, which the first page has of oneself only."""

    list_display = ("when", "user", "of_what", "name", "said")
    list_filter = (("user", admin.RelatedOnlyFieldListFilter), ("content_type", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "content_type")
    date_hierarchy = "action_time"
    fields = ("when", "user", "of_what", "name", "said")

    @admin.display(description="when", ordering="action_time")
    def when(self, entry: LogEntry) -> datetime:
        return entry.action_time

    @admin.display(description="kind", ordering="content_type")
    def of_what(self, entry: LogEntry) -> str:
        return entry.content_type.name if entry.content_type else "-"

    @admin.display(description="object", ordering="object_repr")
    def name(self, entry: LogEntry) -> str:
        return entry.object_repr

    @admin.display(description="what was done")
    def said(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()
