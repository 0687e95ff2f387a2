"""Routes of the pages; `spot.web.http` answers what programs ask."""

from django.urls import path
from django.views.generic import RedirectView

from spot.dialects.own import PREFIX
from spot.web import pages, reference

urlpatterns = [
    path("", pages.dashboard, name="dashboard"),
    path("coin/<str:coin_id>/", pages.coin, name="coin"),
    path("docs/", reference.page, name="reference"),
    path("docs/<slug:name>/", reference.page, name="reference"),
    path("docs/<slug:name>.md", reference.source, name="reference_source"),
    path("llms.txt", reference.llms),
    path("favicon.ico", pages.favicon),
    path("manifest.webmanifest", pages.manifest, name="manifest"),
    path("robots.txt", pages.robots),
    path("status/", pages.status, name="status"),
    path(PREFIX, RedirectView.as_view(url=f"/{PREFIX}/", permanent=True, query_string=True)),
]
