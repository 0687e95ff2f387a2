// <spot-preferences>: the button and the dialog in which a visitor chooses how the page looks and writes.

import { clock, numbers, percent } from "../data/format.js";
import { isTimeZone, LOCALES, locale, palette, PALETTES, theme, THEMES, timeZones } from "../page/looks.js";
import { page } from "../page/page.js";
import { settings } from "../page/settings.js";
import { choice, el, select } from "../widgets/dom.js";

const SAMPLE = { cap: 1_324_500_000_000, price: 0.00000644, change: -1.2 };

/** "German (Germany)" for "de-DE", in the page's own language. */
function localeText(tag) {
  return new Intl.DisplayNames("en", { type: "language" }).of(tag) ?? tag;
}

function zones() {
  const system = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return [["", `Local: ${system.replaceAll("_", " ")}`], ["UTC", "UTC"], ...timeZones().map((zone) => [zone, zone.replaceAll("_", " ")])];
}

class Preferences extends HTMLElement {
  connectedCallback() {
    if (this.button) return;
    this.button = el("button", { type: "button", class: "button icon", "aria-haspopup": "dialog", onclick: () => this.#open() }, "Display");
    this.replaceChildren(this.button);
  }

  /** Made when it is first wanted: some 450 time zones are not free. */
  #open() {
    this.dialog ??= this.appendChild(this.#createDialog());
    this.#showSample();
    this.dialog.showModal();
  }

  #createDialog() {
    const dialog = el("dialog", { class: "preferences", "aria-labelledby": "preferences-title" });
    dialog.append(
      el("header", {}, el("h2", { id: "preferences-title" }, "Display"), el("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Done")),
      this.#row("Theme", choice("Theme", THEMES, theme(settings), (key) => settings.set("theme", key === "system" ? null : key))),
      this.#row("Colours of changes", this.#palettes()),
      this.#row("Numbers and dates", this.#locales()),
      this.#row("Time zone", this.#zones()),
      (this.sample = el("p", { class: "preferences-sample", role: "status" })),
      el("p", { class: "preferences-note" }, "Kept in this browser only. The currency stands in the page's address."),
    );
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
    page.addEventListener("locale", () => this.#showSample());
    return dialog;
  }

  #row(title, control) {
    return el("section", {}, el("h3", {}, title), control);
  }

  #palettes() {
    const group = choice("Colours of changes", PALETTES, palette(settings), (key) => settings.set("palette", key === PALETTES[0][0] ? null : key));
    group.classList.add("palettes");
    for (const button of group.children) {
      const swatch = (way, glyph) => el("span", { class: "swatch", "data-way": way, "data-palette-of": button.value }, glyph);
      button.prepend(el("span", { class: "swatches", "aria-hidden": "true" }, swatch("up", "▲"), swatch("down", "▼")));
    }
    return group;
  }

  #locales() {
    const browser = localeText(locale({ get: () => null }));
    const options = [["", `As the browser: ${browser}`], ...LOCALES.map((tag) => [tag, localeText(tag)]).sort((a, b) => a[1].localeCompare(b[1]))];
    const chosen = settings.get("locale") ?? "";
    return this.#bare(select("Numbers and dates", options, LOCALES.includes(chosen) ? chosen : "", (tag) => settings.set("locale", tag || null)));
  }

  #zones() {
    const chosen = settings.get("timeZone");
    return this.#bare(select("Time zone", zones(), isTimeZone(chosen) ? chosen : "", (zone) => settings.set("timeZone", zone || null)));
  }

  /** Without the label beside it, which the heading above repeats. */
  #bare(field) {
    field.firstChild.remove();
    return field;
  }

  #showSample() {
    if (!this.sample) return;
    const { price, compact } = numbers(page.locale, page.currency);
    const now = Date.now();
    const texts = [compact(SAMPLE.cap), price(SAMPLE.price), percent(SAMPLE.change, page.locale), clock(now, now, page.locale, page.timeZone)];
    this.sample.replaceChildren(...texts.map((text) => el("span", {}, text)));
  }
}

customElements.define("spot-preferences", Preferences);
