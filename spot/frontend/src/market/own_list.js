// The line about starred coins, shown while only they are: export and import of the list, and the coins that are missing.

import { unlistedText } from "../data/missing.js";
import { read, watchlist } from "../page/watchlist.js";
import { save } from "../widgets/copying.js";
import { el, setText } from "../widgets/dom.js";

const HINT = "Your coins are stored in this browser only.";

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

  /** Reports the coins that the table lacks: `unlisted` ids, the number `awaited`, the number `left` out by filters. */
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
  const count = read(text).length;
  if (!count) return "There are no coin ids in this file. It should have one to a line.";
  return `${watchlist.add(text)} of the ${count} coins in the file are new.`;
}
