"""CoinGecko's stand-in: the sandbox, which has its REST API, keys and limits."""

from __future__ import annotations

from collections.abc import Callable

from providers.sandbox import Limits, Sandbox
from providers.sandbox.clock import wall_ms


class Coingecko(Sandbox):
    """The demo host, which accepts only `key`; without one, every call."""

    stream_url = ""

    def __init__(
        self,
        *,
        key: str = "",
        seed: int = 7,
        clock: Callable[[], int] = wall_ms,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        limits = Limits(plan="demo", key=key, key_required=True) if key else Limits()
        super().__init__(seed, clock, host=host, port=port, limits=limits)


standin = Coingecko
