"""The 63 common quote currencies, and the rough rate of each to the dollar. Pure.

The simulated market quotes in them: fiat currencies at these fixed rates, coins (btc, eth, sats, ...) at their
simulated price, so that one bitcoin is always one btc. The rough rates also bound amounts (`providers.cells`), and the
codes replace a provider's list while that is unavailable.
"""

from __future__ import annotations

#: Units of the currency for one US dollar.
PER_USD = {
    "usd": 1.0, "aed": 3.67, "ars": 1420.0, "aud": 1.52, "bdt": 122.0, "bhd": 0.377, "bmd": 1.0, "brl": 5.0,
    "cad": 1.38, "chf": 0.8, "clp": 940.0, "cny": 7.1, "czk": 21.0, "dkk": 6.4, "eur": 0.855, "gbp": 0.75, "gel": 2.7,
    "hkd": 7.8, "huf": 335.0, "idr": 16_600.0, "ils": 3.3, "inr": 89.0, "jpy": 154.0, "krw": 1440.0, "kwd": 0.307,
    "lkr": 304.0, "mmk": 2100.0, "mxn": 18.4, "myr": 4.15, "ngn": 1450.0, "nok": 10.1, "nzd": 1.75, "php": 58.5,
    "pkr": 281.0, "pln": 3.65, "rub": 80.0, "sar": 3.75, "sek": 9.5, "sgd": 1.3, "thb": 32.5, "try": 42.0,
    "twd": 31.0, "uah": 42.0, "vef": 0.1, "vnd": 26_300.0, "zar": 17.2, "xdr": 0.73, "xag": 1 / 73.0,
    "xau": 1 / 4600.0,
}  # fmt: skip
#: Currencies that are coins: the coin's id, and the units of the currency per coin.
COINS = {
    "btc": ("bitcoin", 1.0), "eth": ("ethereum", 1.0), "ltc": ("litecoin", 1.0), "bch": ("bitcoin-cash", 1.0),
    "bnb": ("binancecoin", 1.0), "eos": ("eos", 1.0), "xrp": ("ripple", 1.0), "xlm": ("stellar", 1.0),
    "link": ("chainlink", 1.0), "dot": ("polkadot", 1.0), "yfi": ("yearn-finance", 1.0), "sol": ("solana", 1.0),
    "bits": ("bitcoin", 1e6), "sats": ("bitcoin", 1e8),
}  # fmt: skip
#: Rough price of these coins in dollars.
_DOLLARS = {
    "btc": 1e5, "eth": 3e3, "ltc": 1e2, "bch": 5e2, "bnb": 7e2, "eos": 1.0, "xrp": 1.0, "xlm": 0.3, "link": 10.0,
    "dot": 3.0, "yfi": 5e3, "sol": 1e2, "bits": 1e5, "sats": 1e5,
}  # fmt: skip
#: The rate for unknown currencies: that of the cheapest ones in use.
_CHEAPEST = 1e6
SUPPORTED = [*list(COINS)[:-2], *PER_USD, "bits", "sats"]


def per_dollar(currency: str) -> float:
    """Units of the currency for one dollar, roughly; unknown currencies count as the cheapest."""
    if currency in COINS:
        return COINS[currency][1] / _DOLLARS[currency]
    return PER_USD.get(currency, _CHEAPEST)
