// The button that stars a coin.

import { say } from "../page/voice.js";
import { MOST, watchlist } from "../page/watchlist.js";
import { el, setAttribute, setText } from "./dom.js";

/** The button of a coin. `nameStar` gives it the coin's name once that is known. */
export function star(id) {
  const button = el("button", { type: "button", class: "star", "data-star": id }, "☆");
  button.addEventListener("click", () => toggle(button));
  nameStar(button, id);
  show(button);
  return button;
}

export function nameStar(button, name) {
  setAttribute(button, "aria-label", `${name}: one of my coins`);
  button.dataset.name = name;
}

function show(button) {
  const on = watchlist.has(button.dataset.star);
  setAttribute(button, "aria-pressed", String(on));
  setAttribute(button, "title", on ? "Take from my coins" : "Add to my coins");
  setText(button, on ? "★" : "☆");
}

function toggle(button) {
  const { star: id, name } = button.dataset;
  const before = watchlist.has(id);
  if (watchlist.toggle(id) === before) say(`My coins hold ${MOST} coins at most.`, "star", { repeat: true });
  else say(before ? `${name} taken from my coins.` : `${name} added to my coins.`, "star");
}

watchlist.addEventListener("change", () => {
  for (const button of document.querySelectorAll("button.star")) show(button);
});
