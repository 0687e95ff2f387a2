"""ASGI entry: pages are Django's, other HTTP is answered beside it, WebSockets go to the feeds behind their gate."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")

pages = get_asgi_application()  # sets Django up; the imports below need it

from spot.web.gate import Door, OriginGate
from spot.web.http import Http, is_public
from spot.web.routing import websocket_urlpatterns
from spot.web.turnstile import Turnstile

sockets = OriginGate(URLRouter(websocket_urlpatterns))
http = Http(pages)
requests = Turnstile(http, is_public, http.body_bytes)
application = Door(ProtocolTypeRouter({"http": requests, "websocket": sockets}), is_public)
