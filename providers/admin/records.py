"""What the program writes and operators read: usage by day, announcements, and the admin's own log."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from providers.admin.acting import ReadOnly
from providers.admin.words import grouped
from providers.models import Announcement, DailyUsage


@admin.register(DailyUsage)
class DailyUsageAdmin(ReadOnly):
    list_display = ("day", "provider", "account", "calls", "failures", "credits")
    list_filter = ("provider",)
    date_hierarchy = "day"

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

    list_display = ("action_time", "user", "content_type", "object_repr", "said")
    list_filter = ("user", "content_type")
    list_select_related = ("user", "content_type")
    date_hierarchy = "action_time"

    @admin.display(description="what")
    def said(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()
