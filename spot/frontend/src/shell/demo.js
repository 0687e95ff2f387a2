// The notice that prices are simulated, with the reason where the demo stands in for real sources.

import { setAttribute, setText } from "../widgets/dom.js";

const FACTS = "/status.json";
const AGAIN_MS = 60_000;
const USUAL = " · simulated prices, not the real market";

let asked = -AGAIN_MS;

/** Shows the notice while prices are simulated, and asks the server for the reason. */
export function showDemo(simulated, now = performance.now()) {
  for (const notice of document.querySelectorAll("[data-demo]")) notice.hidden = !simulated;
  if (!simulated || now - asked < AGAIN_MS) return;
  asked = now;
  fetch(FACTS)
    .then((answer) => (answer.ok ? answer.json() : {}))
    .then((facts) => explainDemo(facts.simulated_because))
    .catch(() => {}); // the next minute asks again
}

/** Shows the reason for the demo beside its notice, or what the demo is. */
export function explainDemo(reason) {
  for (const notice of document.querySelectorAll("[data-demo]")) {
    const text = notice.querySelector(".demo-more");
    if (text) setText(text, reason ? `${USUAL}. ${reason}` : USUAL);
    setAttribute(notice, "title", reason || null);
  }
}
