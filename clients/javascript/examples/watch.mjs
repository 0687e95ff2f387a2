// Bitcoin and Ether as they change, until the second frame: node watch.mjs http://localhost:8000
import { Feed, serverNow } from "spot-client";
import WebSocket from "ws"; // Node.js has its own from 22 on

const feed = new Feed("ticker-tape", { coin_ids: "bitcoin,ethereum" }, { server: process.argv[2], WebSocket });
feed.addEventListener("frame", () => {
  const seconds = Math.round((serverNow() - (feed.head.as_of ?? feed.head.fetched_at)) / 1000);
  console.log(feed.condition().name, `${seconds} s old`, feed.rows().map(({ symbol, price }) => `${symbol} ${price}`));
  if (!feed.update({ search: "eth" })) feed.close();
});
feed.addEventListener("refusal", ({ detail }) => console.error(detail.message));
feed.open();
