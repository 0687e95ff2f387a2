// What screen readers are told by themselves: one polite live region for the whole page, which speaks seldom.
//
//   say("Sorted by price, falling.", "table");      // a newer text of the same topic takes the place of one that waits

const PAUSE_MS = 4_000; // between two texts, so that nobody is read to every tick
const SETTLE_MS = 1_000; // what changes again within this was not worth a word

/** The order and the moments in which texts are said. `speak` puts one into the live region. */
export class Voice {
  constructor(speak) {
    this.speak = speak;
    this.texts = new Map(); // topic -> the newest text
    this.said = new Map(); // topic -> the text that was said last
    this.lastAt = -Infinity;
  }

  /** `repeat` says it even if it is what was said of this topic last. */
  say(text, topic = "", { repeat = false } = {}) {
    if (!repeat && this.said.get(topic) === text) this.texts.delete(topic);
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
    this.said.set(topic, text);
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

/** Says a text to screen readers, politely, when it is its turn. */
export function say(text, topic, options) {
  voice ??= new Voice(region());
  voice.say(text, topic, options);
}
