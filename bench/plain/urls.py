"""CoinGecko's paths, as far as they are measured."""

from django.urls import path

from bench.plain import views

urlpatterns = [
    path("compat/coingecko/api/v3/simple/price", views.prices),
    path("compat/coingecko/api/v3/coins/markets", views.markets),
    path("compat/coingecko/api/v3/coins/list", views.coins),
]
