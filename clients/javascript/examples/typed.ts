// What the types know: parameters and rows of each feed.
import { Feed } from "spot-client";

const feed = new Feed("market", { page_size: 5, sort_order: "desc", filters: { symbol: ["BTC", "ETH"] } }, { server: "https://spot.example.org" });
feed.addEventListener("frame", () => {
  for (const row of feed.rows()) console.log(row.id, row.Symbol.toLowerCase(), row.Price?.toFixed(2), row["24h Change (%)"]);
  console.log(feed.head?.source_label, feed.head?.stale);
});
feed.addEventListener("refusal", ({ detail }) => console.error(detail.code, detail.field));
feed.update({ search: "eth", page_size: null });
feed.open();
