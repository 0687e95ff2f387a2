// One page, and two in one request: node get.mjs http://localhost:8000
import { Client, Refused } from "spot-client";

const client = new Client({ server: process.argv[2] });
const page = await client.get("market", { search: "eth", page_size: 3 });
console.log(page.head.source_label, page.age, page.stale, page.head.simulated, page.rows.map((row) => [row.Symbol, row.Price]));
for (const part of await client.batch([{ feed: "top-gainers", params: { per_page: 3 } }, { feed: "ticker-tape", params: { coin_ids: "bitcoin" } }])) {
  console.log(part instanceof Refused ? part.message : part.rows.map(({ price }) => price));
}
