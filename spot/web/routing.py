"""WebSocket routes, made from the dialects: each with and without a trailing slash."""

from django.urls import re_path

from spot import dialects
from spot.web.consumers import Connection, NoFeed

websocket_urlpatterns = [
    *(re_path(rf"^{route.path}/?$", Connection.as_asgi(route=route)) for route in dialects.routes()),
    re_path("", NoFeed.as_asgi()),
]
