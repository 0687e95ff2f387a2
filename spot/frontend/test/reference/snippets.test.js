import assert from "node:assert/strict";
import { test } from "node:test";

import { TRANSPORTS } from "../../src/reference/question.js";
import { LANGUAGES } from "../../src/reference/snippets.js";

const QUESTION = {
  feed: "wss://spot.example/ws/market?page_size=3",
  stream: "wss://spot.example/ws/stream",
  sse: "https://spot.example/sse/market?page_size=3",
  http: "https://spot.example/market?page_size=3",
  ticket: "https://spot.example/ticket",
  message: { id: 1, method: "subscribe", channel: "market", params: { page_size: 3, sparkline: false } },
};
const write = (language, transport, withKey = false) => LANGUAGES.find(([key]) => key === language)[2]({ ...QUESTION, transport }, withKey);

test("code has the address of its transport, and where to find the key but never a key in an address", () => {
  for (const [transport] of TRANSPORTS) {
    for (const [language] of LANGUAGES) {
      const plain = write(language, transport);
      const target = language === "curl" && transport !== "http" ? "sse" : transport;
      assert.ok(plain.includes(QUESTION[target]), `${language} ${transport}`);
      assert.ok(!plain.includes("KEY"), `${language} ${transport}`);
      const withKey = write(language, transport, true);
      if (language !== "url") assert.match(withKey, /X-API-Key.*SPOT_KEY/, `${language} ${transport}`);
      assert.doesNotMatch(withKey, /[?&]\w*key=/i);
    }
  }
});

test("a stream is sent its message, in the words of each language", () => {
  assert.ok(write("url", "stream").endsWith(`${JSON.stringify(QUESTION.message)}\n`));
  assert.match(write("python", "stream"), /json\.dumps\(\{.*"sparkline": False\}\}\)/);
  assert.match(write("javascript", "stream"), /"sparkline":false/);
});

test("pages send tickets: sockets as a sub-protocol, event streams in the address", () => {
  assert.match(write("javascript", "feed", true), /\[`spot\.ticket\.\$\{ticket\}`\]/);
  assert.match(write("javascript", "sse", true), /page_size=3&ticket=\$\{ticket\}`/);
});

test("an address with quotes stays one argument of a shell", () => {
  const [, , curl] = LANGUAGES.find(([key]) => key === "curl");
  assert.equal(curl({ transport: "http", http: "http://x/?q=it's" }, false), "curl 'http://x/?q=it'\\''s'\n");
});
