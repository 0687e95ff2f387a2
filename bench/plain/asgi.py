"""The routing of the plain application."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.plain.settings")
http = get_asgi_application()

from django.urls import path  # noqa: E402  Django must be set up first

from bench.plain.consumers import CoinsConsumer, MarketConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": URLRouter(
            [path("ws/market/<slug:room>", MarketConsumer.as_asgi()), path("ws/coins", CoinsConsumer.as_asgi())]
        ),
    }
)
