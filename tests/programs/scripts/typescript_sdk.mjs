// The official TypeScript SDK with its own address changed: values, paging, a refusal.
import Coingecko from "@coingecko/coingecko-typescript";

const [root, key] = JSON.parse(process.argv.at(-1));
const client = new Coingecko({ baseURL: root, demoAPIKey: key, maxRetries: 0 });
const refused = await client.coins.markets.get({ vs_currency: "no-such" }).then(
  () => null,
  (error) => ({ kind: error.constructor.name, status: error.status, said: error.error }),
);
const found = {
  ping: await client.ping.get(),
  price: await client.simple.price.get({ ids: "bitcoin", vs_currencies: "usd", include_last_updated_at: true }),
  markets: await client.coins.markets.get({ vs_currency: "usd", per_page: 3, page: 2, sparkline: true }),
  past: await client.coins.markets.get({ vs_currency: "usd", page: 1000 }),
  refused,
};
console.log(JSON.stringify(found));
