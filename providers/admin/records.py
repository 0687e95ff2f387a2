"""Records that operators read and the program writes: usage by day, announcements, and the admin's log."""

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
        """The key's name; for lines older than these names, that of a key in use."""
        return line.key or ledger.key_names().get(line.account, "a deleted key")

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
    def received(self, announcement: Announcement) -> datetime:
        return datetime.fromtimestamp(announcement.received_at / 1000, UTC)

    @admin.display(description="coins")
    def coins(self, announcement: Announcement) -> str:
        return ", ".join(map(str, announcement.tickers))


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    """The changes, tests and resets of all users; the first page has only those of the user signed in."""

    list_display = ("when", "user", "kind", "name", "change")
    list_filter = (("user", admin.RelatedOnlyFieldListFilter), ("content_type", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "content_type")
    date_hierarchy = "action_time"
    fields = ("when", "user", "kind", "name", "change")

    @admin.display(description="when", ordering="action_time")
    def when(self, entry: LogEntry) -> datetime:
        return entry.action_time

    @admin.display(description="kind", ordering="content_type")
    def kind(self, entry: LogEntry) -> str:
        return entry.content_type.name if entry.content_type else "-"

    @admin.display(description="object", ordering="object_repr")
    def name(self, entry: LogEntry) -> str:
        return entry.object_repr

    @admin.display(description="change")
    def change(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()
