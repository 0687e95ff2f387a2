"""The coins that gained most: `python get.py http://localhost:8000`."""

import sys

from spot_client.sync import Client

with Client(sys.argv[1]) as client:
    page = client.get("top-gainers", per_page=3)
    print(f"{page.source_label}, {page.age:.0f} s old, stale: {page.stale}, simulated: {page.simulated}")
    for row in page:
        print(row["rank"], row["symbol"], row["price"], row.get("price_change_24h"))
