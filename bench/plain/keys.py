"""Where the plain application finds the market in Redis: with charts, without them, and the list of all coins."""

MARKET, PRICES, LIST = "bench:market", "bench:prices", "bench:list"
