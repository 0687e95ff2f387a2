"""The operator's pages of clients: keys, plans, usage. Changes reach every web process within five seconds."""

from spot.clients.admin import keys, plans

__all__ = ["keys", "plans"]
