// A wrapper that waits for Retry-After and asks again: without a whole number there it would ask in a loop.
import { CoinGeckoClient } from "coingecko-api-v3";

const [key, calls, seconds] = JSON.parse(process.argv.at(-1));
const client = new CoinGeckoClient({ timeout: 5000, autoRetry: true }, key || undefined);
const found = [];
const asked = (async () => {
  for (let call = 0; call < calls; call++) {
    found.push(await client.simplePrice({ ids: "bitcoin,ethereum", vs_currencies: "usd,eur" }));
  }
})();
await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, seconds * 1000))]);
console.log(JSON.stringify(found));
process.exit(0);
