"""Bitcoin and Ether as they change, until the second page: `python watch.py http://localhost:8000`."""

import asyncio
import sys

from spot_client import Client


async def main() -> None:
    async with Client(sys.argv[1]) as client, client.watch("ticker-tape", coin_ids=["bitcoin", "ethereum"]) as watch:
        async for page in watch:
            print(page.as_of, page.stale, {row["symbol_pair"]: row["price"] for row in page})
            if page.params.get("search"):
                break
            await watch.update(search="eth")


asyncio.run(main())
