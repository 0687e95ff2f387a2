"""CoinMarketCap's own SDK, with its address changed: versions 1 and 3, into its models."""

import json
import sys

from coinmarketcap import CoinMarketCap

root, key = json.loads(sys.argv[1])
client = CoinMarketCap(key, base_url=root, max_retries=0)
cryptocurrency = client.cryptocurrency
quotes = cryptocurrency.quotes_latest(symbol="BTC,ETH", convert="USD,EUR").to_dict()
listings = cryptocurrency.listings_latest(limit="5", convert="EUR").to_dict()
found = {
    "quotes": [[row["symbol"], [quote["symbol"] for quote in row["quote"]]] for row in quotes["data"]],
    "listings": [[row["cmc_rank"], row["quote"][0]["price"]] for row in listings["data"]],
    "map": [row["symbol"] for row in cryptocurrency.map(limit=3, sort="cmc_rank").to_dict()["data"]],
    "key": sorted(client.key.key_info().to_dict()["data"]) if hasattr(client, "key") else None,
}
try:
    CoinMarketCap("no-such-key", base_url=root, max_retries=0).cryptocurrency.quotes_latest(symbol="BTC")
except Exception as refused:
    found["refused"] = [type(refused).__name__, str(refused)]
print(json.dumps(found))
