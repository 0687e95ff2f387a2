"""CoinGecko's protocols, served to programs that already speak them. Pure."""
