// Two feeds over one socket, until each has come: node stream.mjs http://localhost:8000
import { Client } from "spot-client";
import WebSocket from "ws"; // Node.js has its own from 22 on

const stream = new Client({ server: process.argv[2], WebSocket }).stream();
for (const feed of [stream.feed("top-gainers", { per_page: 3 }), stream.feed("ticker-tape", { coin_ids: "bitcoin" })]) {
  feed.addEventListener("frame", () => {
    console.log(feed.path, feed.condition().name, feed.rows().map(({ price }) => price));
    feed.close();
  });
  feed.addEventListener("refusal", ({ detail }) => console.error(detail.code, detail.message));
  feed.open();
}
