// A coin's logo on its lettered disc. The letter below it shows where there is no picture.

import { el } from "./dom.js";

const failed = new Set(); // ids whose logo could not be loaded: requested once a page

// Relative to this file, so that embedded elements request it from our server.
const addressOf = (id) => new URL(`/logo/${encodeURIComponent(id)}`, import.meta.url).href;

/** `logo` is that of the coin's row; if it is empty, as in the demo, nothing is requested. */
export function showLogo(mark, id, logo) {
  const source = logo && !failed.has(id) ? id : "";
  const shown = mark.querySelector("img");
  if ((shown?.dataset.logo ?? "") === source) return;
  shown?.remove();
  if (source) mark.append(picture(id));
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
