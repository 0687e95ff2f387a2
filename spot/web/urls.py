"""HTTP routes: pages, health, and the twin of every feed."""

from django.urls import path, re_path

from spot.dialects.own import PREFIX
from spot.feeds import FEEDS
from spot.web import health, lookups, pages, status
from spot.web.twins import no_feed, twin, upgrade_required

urlpatterns = [
    path("", pages.dashboard, name="dashboard"),
    path("coin/<str:coin_id>/", pages.coin, name="coin"),
    path("currencies.json", lookups.currencies, name="currencies"),
    path("coins.json", lookups.coins, name="coins"),
    path("logo/<str:coin_id>", lookups.logo, name="logo"),
    path("favicon.ico", pages.favicon),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
    path("robots.txt", pages.robots),
    path("status/", pages.status, name="status"),
    path("status.json", status.facts, name="status-facts"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    *(re_path(rf"^{PREFIX}/{channel}/?$", twin(feed), name=channel) for channel, feed in FEEDS.items()),
    *(re_path(rf"^{PREFIX}/ws/{channel}/?$", upgrade_required) for channel in FEEDS),
    re_path(rf"^{PREFIX}/", no_feed),
]
