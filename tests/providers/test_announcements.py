"""Announcements are kept once, by whichever way and however often they arrive."""

import pytest

from providers import announcements, listings
from providers.datasets import LISTING_FIELDS
from providers.models import Announcement

NOW = 1_795_190_400_000
pytestmark = pytest.mark.django_db


def row(title="Binance Will List AAA", *, published=None, detected=NOW, tickers=("AAA",), kind="spot_listing"):
    made = listings.row("binance", kind, title, tickers, published, detected)
    assert made is not None
    return made


def test_an_announcement_is_stored_whole() -> None:
    assert announcements.store(row(published=NOW - 5000), "acme", NOW + 7)
    [stored] = announcements.newest()
    assert list(stored) == list(LISTING_FIELDS)
    assert stored == row(published=NOW - 5000) | {"received_at": NOW + 7, "source": "acme"}


@pytest.mark.parametrize(
    "again",
    [
        row(),
        row(detected=NOW + 900),
        row(detected=NOW + 240_000),
        row(detected=NOW - 100_000),
        row(published=NOW - 3000),
        row(tickers=("aaa",)),
    ],
)
def test_what_is_told_again_is_not_stored_again(again) -> None:
    assert announcements.store(row(), "acme", NOW)
    assert not announcements.store(again, "umbrella", NOW + 1000)
    assert Announcement.objects.get().source == "acme"


@pytest.mark.parametrize(
    "other",
    [
        row("Binance Will List BBB"),
        row(tickers=("AAA", "BBB")),
        row(kind="futures_listing"),
        row(detected=NOW + 86_400_000),
    ],
)
def test_something_else_is_stored_as_well(other) -> None:
    assert announcements.store(row(), "acme", NOW)
    assert announcements.store(other, "acme", NOW)
    assert Announcement.objects.count() == 2


def test_the_order_of_tickers_makes_no_difference() -> None:
    assert announcements.store(row(tickers=("AAA", "BBB")), "acme", NOW)
    assert not announcements.store(row(tickers=("BBB", "AAA")), "acme", NOW)


def test_without_times_the_moment_of_arrival_decides() -> None:
    silent = row(detected=None)
    assert announcements.store(silent, "acme", NOW)
    assert not announcements.store(silent, "acme", NOW + 86_400_000)  # nothing tells it from the first


def test_the_newest_come_first_and_no_more_than_asked_for() -> None:
    for n in range(5):
        announcements.store(row(f"Number {n}"), "acme", NOW + n)
    assert [one["title"] for one in announcements.newest(3)] == ["Number 4", "Number 3", "Number 2"]


def test_announcements_are_deleted_after_a_year() -> None:
    year = announcements.KEPT_DAYS * 86_400_000
    announcements.store(row("old"), "acme", NOW - year - 1)
    announcements.store(row("young"), "acme", NOW - year + 1)
    announcements.store(row("new"), "acme", NOW)
    assert [one["title"] for one in announcements.newest()] == ["new", "young"]


def test_no_more_announcements_are_kept_than_a_number(monkeypatch) -> None:
    monkeypatch.setattr(announcements, "MOST", 3)
    for n in range(6):
        announcements.store(row(f"number {n}"), "acme", NOW + n)
    assert [one["title"] for one in announcements.newest()] == ["number 5", "number 4", "number 3"]


def test_the_wording_of_an_announcement_is_looked_up_by_an_index() -> None:
    announcements.store(row(), "acme", NOW)
    alike = Announcement.objects.filter(exchange="binance", type="spot_listing", title=row()["title"])
    assert "announcement_wording" in alike.explain()
