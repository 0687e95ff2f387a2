// The oldest wrapper: neither User-Agent nor Accept, and an answer counts as a success by its status.
import CoinGecko from "coingecko-api";

const client = new CoinGecko();
console.log(
  JSON.stringify({
    ping: await client.ping(),
    price: await client.simple.price({ ids: ["bitcoin"], vs_currencies: ["usd"] }),
    markets: await client.coins.markets({ per_page: 2 }),
    refused: await client.coins.markets({ vs_currency: "no-such" }),
  }),
);
