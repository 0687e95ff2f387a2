"""Freqtrade's two users of CoinGecko: fiat amounts, and a list of pairs by market cap and category."""

import json
import sys
from types import SimpleNamespace

from pycoingecko import CoinGeckoAPI

root, key = json.loads(sys.argv[1])
CoinGeckoAPI._CoinGeckoAPI__API_URL_BASE = root + "/"

from freqtrade.plugins.pairlist.MarketCapPairList import MarketCapPairList  # noqa: E402
from freqtrade.rpc.fiat_convert import CryptoToFiatConverter  # noqa: E402

settings = {"coingecko": {"api_key": key, "is_demo": True}, "stake_currency": "USDT", "trading_mode": "spot"}
converter = CryptoToFiatConverter(settings)
pairs = [f"{symbol}/USDT" for symbol in ("DOGE", "BTC", "ETH", "XRP", "SOL", "ADA", "NOSUCH")]
exchange = SimpleNamespace(
    _config=settings, name="stub", get_markets=lambda **_: {pair: {"symbol": pair} for pair in pairs}
)


def chosen(**wish: object) -> list[str]:
    config = {"method": "MarketCapPairList", "number_assets": 5, **wish}
    return MarketCapPairList(exchange, SimpleNamespace(), settings, config, 0).filter_pairlist(list(pairs), {})


print(
    json.dumps(
        {
            "listed": len(converter._coinlistings),
            "bitcoin": converter.convert_amount(1, "BTC", "USD"),
            "ether": converter.convert_amount(2, "ETH", "EUR"),
            "largest": chosen(max_rank=300),
            "layer 1": chosen(max_rank=300, categories=["layer-1"]),
        }
    )
)
