"""Candles as a DataFrame: `python frames.py http://localhost:8000`."""

import sys

from spot_client.sync import Client

with Client(sys.argv[1]) as client:
    candles = client.get("historical-ohlcv", coin_id="bitcoin", days=30)
    print(candles.to_pandas().describe())
    print(candles.to_polars().tail(3))
