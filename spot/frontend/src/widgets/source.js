// The name of a source as a link to its site, which attribution guides require near the data.

import { el, setAttribute, setText } from "./dom.js";

/** An element for the name of a source; without an address it is plain text. */
export function sourceLink(className = "source") {
  return el("a", { class: className, target: "_blank", rel: "noopener" });
}

export function showSource(link, label, url) {
  setText(link, label);
  setAttribute(link, "href", /^https?:\/\//.test(url ?? "") ? url : null);
}
