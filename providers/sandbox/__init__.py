"""A stand-in for a provider on this machine: a simulated market behind the REST API of the first adapter.

    with Sandbox(seed=7) as sandbox:
        requests.get(f"{sandbox.url}/coins/markets?vs_currency=usd")

It is the demo's source of data, and simulates the faults of upstreams in tests.
"""

from providers.sandbox.clock import Clock
from providers.sandbox.faults import Fault, Faults
from providers.sandbox.limits import Limits
from providers.sandbox.server import Sandbox

__all__ = ["Clock", "Fault", "Faults", "Limits", "Sandbox"]
