// A wrapper whose lists are repeated parameters; its address is the third argument.
import module from "coinmarketcap-js";

const [root, key] = JSON.parse(process.argv.at(-1));
const rest = module.restClient(key, "v1", root);
console.log(
  JSON.stringify({
    quotes: await rest.crypto.latestQuotes({ symbol: ["BTC", "ETH"], convert: "USD" }),
    listings: await rest.crypto.latestListings({ limit: 3, convert: "EUR" }),
    map: await rest.crypto.idMap({ limit: 2, sort: "cmc_rank" }),
  }),
);
