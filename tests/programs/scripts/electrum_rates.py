"""What Electrum shows beside amounts: its exchange rates, and the whole history of one currency."""

import asyncio
import json
import sys

sys.path.insert(0, "source/usr/lib/python3/dist-packages")

from electrum.exchange_rate import CoinGecko


async def main() -> None:
    source = CoinGecko(lambda: None, lambda: None)
    rates = await source.get_rates("EUR")
    found = {"rates": {currency: str(rate) for currency, rate in rates.items()}}
    try:
        found["history"] = await source.request_history("EUR")
    except Exception as refused:
        found["refused"] = str(refused)
    print(json.dumps(found))


asyncio.run(main())
