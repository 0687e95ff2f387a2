"""Announcements on their way from the stream to the snapshot, and back from the database."""

import time

import pytest
from django.db import OperationalError

import providers
from providers import listings
from providers.datasets import LISTINGS
from providers.models import Announcement
from spot import snapshots
from spot.ingest import announcements

ACME = providers.get("cryptolisting")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture(autouse=True)
def no_demo(settings) -> None:
    settings.SPOT_DEMO = "off"


def row(title: str = "Binance Will List AAA") -> dict:
    made = listings.row("binance", "spot_listing", title, ["AAA"], None, snapshots.now_ms())
    assert made is not None
    return made


def test_an_announcement_is_shown_at_once_with_its_source() -> None:
    assert announcements.announced(row(), ACME)
    snapshot = snapshots.load(LISTINGS)
    assert [one["title"] for one in snapshot.rows] == ["Binance Will List AAA"]
    assert (snapshot.source, snapshot.label, snapshot.simulated) == ("cryptolisting", "cryptolisting.ws", False)
    assert snapshot.max_age_ms == 120_000


def test_a_repetition_changes_nothing() -> None:
    announcements.announced(row(), ACME)
    version = snapshots.load(LISTINGS).version
    assert not announcements.announced(row(), ACME)
    assert snapshots.load(LISTINGS).version == version


def test_the_newest_stand_first_and_the_oldest_drop_out(monkeypatch) -> None:
    monkeypatch.setattr(announcements, "KEPT", 3)
    for n in range(5):
        announcements.announced(row(f"Number {n}"), ACME)
        time.sleep(0.002)
    assert [one["title"] for one in snapshots.load(LISTINGS).rows] == ["Number 4", "Number 3", "Number 2"]
    assert Announcement.objects.count() == 5


def test_a_sign_of_life_renews_the_time_and_shows_an_empty_list(redis) -> None:
    announcements.alive(ACME)
    first = snapshots.load(LISTINGS)
    assert first.rows == []
    announcements.alive(ACME)
    assert snapshots.load(LISTINGS).version == first.version
    redis.delete("spot:listings-renewed")
    announcements.alive(ACME)
    assert snapshots.load(LISTINGS).version > first.version


def test_the_sign_of_life_of_who_brings_no_announcements_is_none_for_them() -> None:
    announcements.alive(providers.get("coingecko"))
    assert snapshots.load(LISTINGS) is None


def test_a_store_that_was_emptied_gets_its_announcements_back_as_old_as_they_are(redis) -> None:
    announcements.announced(row(), ACME)
    before = snapshots.load(LISTINGS)
    Announcement.objects.update(received_at=1_700_000_000_000)
    redis.flushall()
    announcements.restore()
    after = snapshots.load(LISTINGS)
    assert [one["id"] for one in after.rows] == [one["id"] for one in before.rows]
    assert (after.as_of, after.source, after.label) == (1_700_000_000_000, "cryptolisting", "cryptolisting.ws")
    announcements.restore()
    assert snapshots.load(LISTINGS).version == after.version


def test_nothing_is_restored_where_nothing_was_announced() -> None:
    announcements.restore()
    assert snapshots.load(LISTINGS) is None


def test_a_database_that_is_away_keeps_nobody_from_working(monkeypatch) -> None:
    def away(*_args: object) -> list:
        raise OperationalError("no such host")

    monkeypatch.setattr(announcements.announcements, "newest", away)
    announcements.restore()
    announcements.alive(ACME)
    assert snapshots.load(LISTINGS).rows == []


def test_an_announcement_is_shown_although_the_database_is_away(monkeypatch) -> None:
    announcements.announced(row("Before"), ACME)

    def away(*_args: object) -> bool:
        raise OperationalError("no such host")

    monkeypatch.setattr(announcements.announcements, "store", away)
    assert announcements.announced(row("Meanwhile"), ACME)
    assert not announcements.announced(row("Meanwhile"), ACME)
    shown = snapshots.load(LISTINGS).rows
    assert [one["title"] for one in shown] == ["Meanwhile", "Before"]
    assert shown[0]["source"] == "cryptolisting"


def test_announcements_do_not_end_a_demo(settings) -> None:
    settings.SPOT_DEMO = "auto"
    announcements.announced(row(), ACME)
    assert snapshots.realm() == "demo"
