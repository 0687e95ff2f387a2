"""Client of Spot, the gateway for crypto market data.

    async with Client("http://localhost:8000") as client:
        page = await client.get("market", search="eth", page_size=3)
        async for page in client.watch("top-gainers", per_page=5):
            print(page.age, page.stale, page.rows)

`spot_client.sync.Client` is the same without `await`.
"""

from spot_client.client import Client
from spot_client.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    Refused,
    SpotError,
    TooMany,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from spot_client.following import Gap, Tail, Watch
from spot_client.page import Page
from spot_client.streaming import Stream

__version__ = "0.1.0"

__all__ = [
    "BadRequest",
    "Client",
    "Forbidden",
    "Gap",
    "NotFound",
    "Page",
    "Refused",
    "SpotError",
    "Stream",
    "Tail",
    "TooMany",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Watch",
]
