"""CoinMarketCap's protocols, for programs that speak them. Pure."""
