"""Two views over one socket, until each has come once: `python stream.py http://localhost:8000`."""

import asyncio
import sys

from spot_client import Client


async def main() -> None:
    async with Client(sys.argv[1]) as client, client.stream() as stream:
        tape, gainers = stream.watch("ticker-tape", coin_ids="bitcoin"), stream.watch("top-gainers", per_page=3)
        for page in await asyncio.gather(anext(tape), anext(gainers)):
            print(page.feed, page.age, page.stale, [row["price"] for row in page])


asyncio.run(main())
