"""CoinGecko's REST API, version 3: its paths, and what reads each. Pure.

https://docs.coingecko.com. Prices, markets, candles, charts and lists are written from what is held; the rest is passed
on, one call for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spot.codes import Refused
from spot.dialects.coingecko import charts, lists, market, passed, refusals
from spot.dialects.coingecko.asked import Asked
from spot.dialects.coingecko.coin import coin
from spot.dialects.coingecko.contracts import by_contract, token_price
from spot.dialects.coingecko.passed import passed as passed_on
from spot.dialects.rest import Parameters, Reading, Reply, Rest

_TICKERS = ("exchange_ids", "include_exchange_logo", "page", "order", "depth", "dex_pair_format")
_RANGE = ("vs_currency", "from", "to", "interval", "precision")
_RANGE_ON = passed_on(*_RANGE, seconds=1800)

#: The paths, the first that fits; parts in braces are the names.
PATHS: dict[str, Callable[[Asked], Reading]] = {
    "ping": lists.ping,
    "key": lists.key,
    "simple/price": market.simple_price,
    "simple/token_price/{platform}": token_price,
    "simple/supported_vs_currencies": lists.currencies,
    "coins/list": lists.coins,
    "coins/markets": market.markets,
    "coins/top_gainers_losers": lists.movers,
    "coins/categories": passed_on("order", seconds=300),
    "coins/categories/list": passed_on(seconds=300),
    "coins/{id}": coin,
    "coins/{id}/tickers": passed_on(*_TICKERS, seconds=120),
    "coins/{id}/history": passed.history,
    "coins/{id}/ohlc": charts.ohlc,
    "coins/{id}/market_chart": charts.market_chart,
    "coins/{id}/market_chart/range": _RANGE_ON,
    "coins/{platform}/contract/{address}": by_contract(coin),
    "coins/{platform}/contract/{address}/market_chart": by_contract(charts.market_chart),
    "coins/{platform}/contract/{address}/market_chart/range": by_contract(_RANGE_ON),
    "search": lists.search,
    "search/trending": passed_on(seconds=600),
    "global": passed_on(seconds=600),
    "global/decentralized_finance_defi": passed_on(seconds=600),
    "exchange_rates": passed_on(seconds=300),
    "exchanges": passed_on("per_page", "page", seconds=60),
    "exchanges/list": passed_on(seconds=300),
    "asset_platforms": passed_on("filter", seconds=300),
}
#: Paths of paid plans, which are not passed on.
_PAID = re.compile(
    "coins/list/new|coins/[^/]+/ohlc/range|coins/[^/]+/(circulating|total)_supply_chart(/range)?|global/market_cap_chart"
    "|exchanges/[^/]+/volume_chart/range|nfts/.*|onchain/.*|token_lists/.*|news|insights.*|rwa.*|entities.*"
)
_FORMS = [(re.compile(re.sub(r"\{.*?\}", "([^/]+)", path)), read) for path, read in PATHS.items()]


class CoinGecko(Rest):
    """Version 3, as the public and the paid hosts serve it, on one root."""

    name = "coingecko"
    root = "compat/coingecko/api/v3"
    key_headers = ("x-cg-demo-api-key", "x-cg-pro-api-key")
    key_parameters = ("x_cg_demo_api_key", "x_cg_pro_api_key", "x-cg-pro-api-key")
    sent = (
        *key_headers, "x-stainless-arch", "x-stainless-lang", "x-stainless-os", "x-stainless-package-version",
        "x-stainless-retry-count", "x-stainless-runtime", "x-stainless-runtime-version", "x-stainless-timeout",
    )  # fmt: skip
    exposed = ("link", "per-page", "total")
    body_bytes = 65_536

    def read(self, path: tuple[str, ...], query_string: bytes, depth: int) -> Reading:
        """The reading of one path."""
        joined = "/".join(path)
        for form, read in _FORMS:
            if match := form.fullmatch(joined):
                return read(Asked(Parameters(query_string), joined, match.groups(), depth))
        if _PAID.fullmatch(joined):
            raise Refused("forbidden_channel", "This endpoint needs a paid plan, which this site does not pass on.")
        raise Refused("unknown_feed", "There is no endpoint at this path.")

    def refuse(self, refused: Refused, now_ms: int) -> Reply:
        """A refusal in CoinGecko's words."""
        return refusals.reply(refused, now_ms)


RESTS = (CoinGecko(),)
