// The line about the visitor's own coins, shown while only they are: saving the list, and adding one from a file.

import { save } from "./copying.js";
import { el, setText } from "./dom.js";
import { read, watchlist } from "./watchlist.js";

const HINT = "Your coins are kept in this browser only.";

export function ownList() {
  const text = el("span", { role: "status" }, HINT);
  const file = el("input", { type: "file", accept: ".txt,text/plain", hidden: true });
  file.addEventListener("change", async () => {
    setText(text, added((await file.files[0]?.text()) ?? ""));
    file.value = "";
  });
  const button = (words, onclick) => el("button", { type: "button", class: "button", onclick }, words);
  return el(
    "div",
    { class: "market-own", hidden: true },
    text,
    button("Save the list", () => save(watchlist.text, "spot-my-coins.txt", "text/plain;charset=utf-8")),
    button("Add from a file", () => file.click()),
    file,
  );
}

function added(text) {
  const found = read(text).length;
  if (!found) return "There are no coin ids in this file. It should have one to a line.";
  return `${watchlist.add(text)} of the ${found} coins in the file are new.`;
}
