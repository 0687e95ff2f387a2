"""The root of the URLs: the admin, with tickets for signed-in staff, and those of `spot`."""

from django.contrib import admin
from django.urls import include, path

from providers.admin.sign_in import sign_in
from spot.web import pages

urlpatterns = [
    path("admin/login/", sign_in),
    path("admin/ticket/", pages.ticket, name="page_ticket"),
    path("admin/", admin.site.urls),
    path("", include("spot.web.urls")),
]
