// A wrapper whose host is fixed.
import CoinMarketCap from "coinmarketcap-api";

const [key] = JSON.parse(process.argv.at(-1));
const client = new CoinMarketCap(key);
console.log(
  JSON.stringify({
    quotes: await client.getQuotes({ symbol: ["BTC", "ETH"] }),
    tickers: await client.getTickers({ limit: 3, convert: "EUR", sort: "name" }),
    refused: await client.getQuotes({ symbol: "NOSUCHCOIN" }),
  }),
);
