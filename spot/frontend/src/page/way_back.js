// The visitor's place in the market, restored by the Back button and by the links of other pages.

import * as address from "./address.js";
import { page } from "./page.js";

const NAME = "spot.market"; // in the session of this tab

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? {};
  } catch {
    return {}; // storage is not allowed, or holds nonsense
  }
}

function write() {
  history.replaceState({ top: scrollY }, ""); // of this entry, for Back
  try {
    sessionStorage.setItem(NAME, JSON.stringify({ search: location.search }));
  } catch {
    // not allowed: links lead to the top of the market
  }
}

/** Stores the scroll position of this page, and returns a function that restores it once the rows are there. */
export function keepPlace() {
  const top = history.state?.top ?? 0;
  history.scrollRestoration = "manual"; // the browser would scroll before there are rows
  addEventListener("pagehide", write);
  let restored = false;
  return () => {
    if (!restored && top > 0 && scrollY === 0) scrollTo({ top, behavior: "instant" });
    restored = true;
  };
}

/** Points links to the market at the view that the visitor came from, in the current currency. */
export function leadBack() {
  const links = document.querySelectorAll("a[data-market]");
  const { search = "" } = read();
  const show = () => {
    const query = new URLSearchParams(search);
    query.delete("vs");
    if (address.get("vs")) query.set("vs", address.get("vs"));
    for (const link of links) link.href = `/${query.size ? `?${query}` : ""}`;
  };
  page.addEventListener("currency", show);
  show();
}
