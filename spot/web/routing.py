"""WebSocket routes, made from the feeds: each with and without a trailing slash."""

from django.urls import re_path

from spot.feeds import FEEDS
from spot.web.consumers import FeedConsumer, NoFeedConsumer

PREFIX = "tzone_apis/services/spot"

websocket_urlpatterns = [
    *(re_path(rf"^{PREFIX}/ws/{channel}/?$", FeedConsumer.as_asgi(feed=feed)) for channel, feed in FEEDS.items()),
    re_path("", NoFeedConsumer.as_asgi()),
]
