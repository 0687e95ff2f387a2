"""ASGI entry: HTTP goes to Django, WebSockets to the feeds behind the origin gate."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")

http = get_asgi_application()  # sets Django up; the imports below need it

from spot.web.gate import Door, OriginGate
from spot.web.routing import websocket_urlpatterns
from spot.web.turnstile import Turnstile

sockets = OriginGate(URLRouter(websocket_urlpatterns))
application = Door(ProtocolTypeRouter({"http": Turnstile(http), "websocket": sockets}))
