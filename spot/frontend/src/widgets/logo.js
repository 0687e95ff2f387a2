// A coin's logo on its lettered disc. The letter stays below it, and is what remains where there is no picture.

import { el } from "./dom.js";

const failed = new Set(); // asked for once a page: what has just failed will not be there a second later

// By the address of this file, so that an element on somebody else's page asks our server too.
const addressOf = (id) => new URL(`/logo/${encodeURIComponent(id)}`, import.meta.url).href;

/** `logo` is what the coin's row says: where it is empty, as in the demo, nothing is asked for. */
export function showLogo(mark, id, logo) {
  const wanted = logo && !failed.has(id) ? id : "";
  const shown = mark.querySelector("img");
  if ((shown?.dataset.logo ?? "") === wanted) return;
  shown?.remove();
  if (wanted) mark.append(picture(id));
}

function picture(id) {
  const image = el("img", { alt: "", width: 32, height: 32, loading: "lazy", decoding: "async", draggable: "false", "data-logo": id });
  image.addEventListener("load", () => image.classList.add("shown"));
  image.addEventListener("error", () => {
    failed.add(id);
    image.remove();
  });
  image.src = addressOf(id);
  return image;
}
