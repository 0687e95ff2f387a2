// Announcements to screen readers: one polite live region for the whole page, rate limited.
//
//   say("Sorted by price, falling.", "table");      // a newer text replaces a waiting one of the same topic

const PAUSE_MS = 4_000; // between two texts
const SETTLE_MS = 1_000; // a text that is replaced within this time is not announced

/** The queue of texts. `speak` puts one into the live region. */
export class Voice {
  constructor(speak) {
    this.speak = speak;
    this.texts = new Map(); // topic -> the newest text
    this.spoken = new Map(); // topic -> the latest announced text
    this.lastAt = -Infinity;
  }

  /** `repeat` announces a text even if it equals the last one of its topic. */
  say(text, topic = "", { repeat = false } = {}) {
    if (!repeat && this.spoken.get(topic) === text) this.texts.delete(topic);
    else this.texts.set(topic, text);
    this.#schedule();
  }

  #schedule() {
    if (this.timer || !this.texts.size) return;
    const wait = Math.max(SETTLE_MS, this.lastAt + PAUSE_MS - Date.now());
    this.timer = setTimeout(() => this.#next(), wait);
  }

  #next() {
    this.timer = null;
    const [topic, text] = this.texts.entries().next().value ?? [];
    if (text === undefined) return;
    this.texts.delete(topic);
    this.spoken.set(topic, text);
    this.lastAt = Date.now();
    this.speak(text);
    this.#schedule();
  }
}

let voice = null;

function region() {
  const place = document.createElement("div");
  place.className = "hidden";
  place.setAttribute("role", "status");
  document.body.append(place);
  return (text) => {
    place.textContent = "";
    place.append(text); // a new node, so that the same words are read again
  };
}

/** Queues a text for screen readers. */
export function say(text, topic, options) {
  voice ??= new Voice(region());
  voice.say(text, topic, options);
}
