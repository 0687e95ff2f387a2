"""Hummingbot's rate oracle. Its one compiled module holds an enumeration and an iterator, neither of which is used."""

import asyncio
import enum
import json
import sys
import types
from pathlib import Path

root, key = json.loads(sys.argv[1])
sys.path.insert(0, str(next(Path("source").glob("hummingbot-*"))))


class NetworkStatus(enum.Enum):
    """As the compiled module has it."""

    STOPPED, NOT_CONNECTED, CONNECTED = 0, 1, 2


compiled = types.ModuleType("hummingbot.core.network_iterator")
compiled.NetworkStatus = NetworkStatus
sys.modules[compiled.__name__] = compiled

from hummingbot.core.rate_oracle.sources.coin_gecko_rate_source import CoinGeckoRateSource  # noqa: E402
from hummingbot.data_feed.coin_gecko_data_feed.coin_gecko_constants import CoinGeckoAPITier  # noqa: E402

for tier in CoinGeckoAPITier:
    object.__setattr__(tier.value, "base_url", root)


async def main() -> None:
    source = CoinGeckoRateSource(["hummingbot"], api_key=key, api_tier=CoinGeckoAPITier.DEMO)
    prices = await source.get_prices("USD")
    await source._coin_gecko_data_feed._api_factory.close() if hasattr(
        source._coin_gecko_data_feed._api_factory, "close"
    ) else None
    print(json.dumps({"count": len(prices), "bitcoin": str(prices["BTC-USD"]), "ether": str(prices["ETH-USD"])}))


asyncio.run(main())
