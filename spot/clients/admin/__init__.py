"""The operator's pages of clients: keys, plans, usage, and protocols of other vendors. Changes reach every web process
within five seconds."""

from spot.clients.admin import keys, plans, protocols

__all__ = ["keys", "plans", "protocols"]
