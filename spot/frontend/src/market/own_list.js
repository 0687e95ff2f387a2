// The line about the visitor's own coins, shown while only they are: saving the list, adding one from a file, and what of
// it cannot be shown.

import { unlistedText } from "../data/missing.js";
import { read, watchlist } from "../page/watchlist.js";
import { save } from "../widgets/copying.js";
import { el, setText } from "../widgets/dom.js";

const HINT = "Your coins are kept in this browser only.";

export class OwnList {
  constructor() {
    this.text = el("span", { role: "status" }, HINT);
    this.lacking = el("span", { class: "market-lacking", role: "status" });
    this.forget = this.#button("Remove what is not listed", () => watchlist.remove(this.unlisted));
    this.forget.hidden = true;
    const file = el("input", { type: "file", accept: ".txt,text/plain", hidden: true });
    file.addEventListener("change", async () => {
      setText(this.text, added((await file.files[0]?.text()) ?? ""));
      file.value = "";
    });
    this.element = el(
      "div",
      { class: "market-own", hidden: true },
      this.text,
      this.#button("Save the list", () => save(watchlist.text, "spot-my-coins.txt", "text/plain;charset=utf-8")),
      this.#button("Add from a file", () => file.click()),
      file,
      this.lacking,
      this.forget,
    );
  }

  #button(words, onclick) {
    return el("button", { type: "button", class: "button", onclick }, words);
  }

  /** Says which coins are not in the table: `unlisted` ids, how many are `awaited`, how many filters have `left` out. */
  tell({ unlisted = [], awaited = 0, left = 0 }) {
    this.unlisted = unlisted;
    const waiting = awaited ? `${several(awaited)} of yours cannot be shown: no price has come yet.` : "";
    const filtered = left ? `${several(left)} of yours left out by the search and the filters, which look at the first 500 only.` : "";
    setText(this.lacking, [unlistedText(unlisted), waiting, filtered].filter(Boolean).join(" "));
    this.forget.hidden = !unlisted.length;
  }
}

function several(count) {
  return `${count} ${count === 1 ? "coin" : "coins"}`;
}

function added(text) {
  const found = read(text).length;
  if (!found) return "There are no coin ids in this file. It should have one to a line.";
  return `${watchlist.add(text)} of the ${found} coins in the file are new.`;
}
