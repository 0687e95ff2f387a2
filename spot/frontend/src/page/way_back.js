// The way back to the market: where the visitor was in it, for the Back button and for the links of other pages.

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
    // not allowed: links lead to the beginning of the market
  }
}

/** Keeps the place on this page, and returns a function that goes to it once what stands there has come. */
export function keepPlace() {
  const wanted = history.state?.top ?? 0;
  history.scrollRestoration = "manual"; // the browser would scroll before there are rows
  addEventListener("pagehide", write);
  let gone = false;
  return () => {
    if (!gone && wanted > 0 && scrollY === 0) scrollTo({ top: wanted, behavior: "instant" });
    gone = true;
  };
}

/** Lets links to the market lead to the view that the visitor came from, in the currency looked at now. */
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
