// The visitor's preferences on this device, stored in the browser only. Choices worth sharing are in the address instead
// (address.js).
//
//   settings.get("density", "roomy");                      // the value, or this default
//   settings.set("density", "tight");                      // null or undefined removes it
//   settings.addEventListener("change", ({ detail }) => detail.name === "density" && draw(), { signal });
//
// Values are JSON. A change in another tab is an event here too. Check each value on reading: an older version of the page
// or the visitor may have written it. early.js reads two of the names.

const PREFIX = "spot:";

function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // switched off by the visitor
  }
}

export class Settings extends EventTarget {
  #unstored = new Map(); // values that storage refused

  constructor(storage = browserStorage(), window = globalThis) {
    super();
    this.storage = storage;
    window.addEventListener?.("storage", ({ key }) => {
      if (key === null) this.#notify(null);
      else if (key.startsWith(PREFIX)) this.#notify(key.slice(PREFIX.length));
    });
  }

  get(name, otherwise = null) {
    if (this.#unstored.has(name)) return this.#unstored.get(name) ?? otherwise;
    try {
      return JSON.parse(this.storage?.getItem(PREFIX + name) ?? "null") ?? otherwise;
    } catch {
      return otherwise;
    }
  }

  set(name, value) {
    try {
      if (value == null) this.storage.removeItem(PREFIX + name);
      else this.storage.setItem(PREFIX + name, JSON.stringify(value));
      this.#unstored.delete(name);
    } catch {
      this.#unstored.set(name, value); // full or switched off: the value lasts as long as the page
    }
    this.#notify(name);
  }

  /** The name is null when everything may have changed. */
  #notify(name) {
    this.dispatchEvent(new CustomEvent("change", { detail: { name } }));
  }
}

export const settings = new Settings();
