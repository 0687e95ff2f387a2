// What a visitor prefers on this device, kept in the browser and nowhere else. What a person would share with a view
// stands in the address instead (address.js).
//
//   settings.get("density", "roomy");                      // the value, or this one when there is none
//   settings.set("density", "tight");                      // null or undefined forgets it
//   settings.addEventListener("change", ({ detail }) => detail.name === "density" && draw(), { signal });
//
// Any value that JSON can say will do. Another tab's change arrives here as an event too. Whoever reads a value checks
// it: it may come from an older version of the page, or from a visitor's own hand. early.js reads two of the names.

const PREFIX = "spot:";

function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // switched off by the visitor
  }
}

export class Settings extends EventTarget {
  #kept = new Map(); // what storage did not take, or cannot be asked for

  constructor(storage = browserStorage(), window = globalThis) {
    super();
    this.storage = storage;
    window.addEventListener?.("storage", ({ key }) => {
      if (key === null) this.#tell(null);
      else if (key.startsWith(PREFIX)) this.#tell(key.slice(PREFIX.length));
    });
  }

  get(name, otherwise = null) {
    if (this.#kept.has(name)) return this.#kept.get(name) ?? otherwise;
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
      this.#kept.delete(name);
    } catch {
      this.#kept.set(name, value); // full or switched off: it lasts as long as the page
    }
    this.#tell(name);
  }

  /** The name is null when everything may have changed. */
  #tell(name) {
    this.dispatchEvent(new CustomEvent("change", { detail: { name } }));
  }
}

export const settings = new Settings();
