"""Exchanges and platforms by their real names, and invented addresses of coins."""

from __future__ import annotations

from typing import Any

from providers.sandbox.coins import Coin
from providers.sandbox.noise import key

#: id: (name, chain id, native coin)
PLATFORMS = {
    "ethereum": ("Ethereum", 1, "ethereum"),
    "solana": ("Solana", None, "solana"),
    "binance-smart-chain": ("BNB Smart Chain", 56, "binancecoin"),
    "base": ("Base", 8453, "ethereum"),
    "tron": ("TRON", None, "tron"),
}
EXCHANGES = (
    ("binance", "Binance", "Cayman Islands", 2017), ("gdax", "Coinbase Exchange", "United States", 2012),
    ("bybit_spot", "Bybit", "British Virgin Islands", 2018),
    ("okex", "OKX", "Seychelles", 2013),
    ("kraken", "Kraken", "United States", 2011),
    ("bitfinex", "Bitfinex", "British Virgin Islands", 2014),
    ("kucoin", "KuCoin", "Seychelles", 2014), ("gate", "Gate", "Panama", 2013),
    ("bitstamp", "Bitstamp", "Luxembourg", 2013),
    ("gemini", "Gemini", "United States", 2014),
    ("mxc", "MEXC", "Seychelles", 2018), ("upbit", "Upbit", "South Korea", 2017),
)  # fmt: skip
_NATIVE = ("bitcoin", "ether", "layer1", "privacy", "payments")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def platforms(coin: Coin) -> dict[str, str]:
    """The coin's addresses by platform; none for the coin of a chain of its own."""
    if coin.kind in _NATIVE:
        return {}
    number = key(coin.id, "address")
    hexadecimal = f"0x{number:016x}{key(coin.id, 'rest'):016x}{number % 2**32:08x}"
    if coin.kind != "meme":
        return {"ethereum": hexadecimal}
    letters = [_BASE58[key(coin.id, "letter", place) % 58] for place in range(43)]
    return {"solana": "".join(letters), "base": hexadecimal}


def links() -> dict[str, Any]:
    """The links of a coin: none, in the provider's shape."""
    return {
        **{name: [] for name in ("homepage", "blockchain_site", "official_forum_url", "chat_url", "announcement_url")},
        "whitepaper": "",
        "snapshot_url": None,
        "twitter_screen_name": "",
        "facebook_username": "",
        "bitcointalk_thread_identifier": None,
        "telegram_channel_identifier": "",
        "subreddit_url": "",
        "repos_url": {"github": [], "bitbucket": []},
    }
