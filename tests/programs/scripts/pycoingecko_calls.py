"""The wrapper of most Python programs, with its address changed by an attribute."""

import json
import sys

from pycoingecko import CoinGeckoAPI

root, key = json.loads(sys.argv[1])
found = {}
for name in ("demo_api_key", "api_key"):  # sent as parameters of different names
    client = CoinGeckoAPI(**{name: key}, retries=0)
    client.api_base_url = root + "/"
    found[name] = client.get_price(ids=["bitcoin", "ethereum"], vs_currencies=["usd", "eur"], include_24hr_change=True)
found["ping"] = client.ping()
found["markets"] = client.get_coins_markets(vs_currency="usd", per_page=5, sparkline=True)
try:
    client.get_coins_markets(vs_currency="no-such")
except ValueError as refused:
    found["refused"] = refused.args[0]
print(json.dumps(found))
