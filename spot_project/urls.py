"""The root of the URLs: the admin, and those of `spot`."""

from django.contrib import admin
from django.urls import include, path

from providers.admin.sign_in import sign_in

urlpatterns = [
    path("admin/login/", sign_in),
    path("admin/", admin.site.urls),
    path("", include("spot.web.urls")),
]
