// The rooms of src/: none imports one above it, and no panel imports another.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
const BELOW = ["data", "client", "page", "widgets", "shell", "alerts", "tiles"]; // from the lowest floor to the highest
const PANELS = ["map", "market", "tape", "movers", "listings", "coin", "status", "reference", "embed"]; // side by side above them
const ENTRIES = ["client.d.ts", "client.js", "coin.js", "dashboard.js", "early.js", "embed.js", "feeds.d.ts", "reference.js", "status.js"];

const room = (path) => path.split("/")[0];

/** Every import between rooms, as [file, imported file]. */
const imports = [...BELOW, ...PANELS].flatMap((name) =>
  readdirSync(join(SOURCE, name)).filter((file) => file.endsWith(".js")).flatMap((file) => {
    const text = readFileSync(join(SOURCE, name, file), "utf8");
    const targets = [...text.matchAll(/(?:from|import|import\()\s*"(\.[^"]+\.js)"/g)].map(([, target]) => relative(SOURCE, join(dirname(join(SOURCE, name, file)), target)));
    return targets.filter((target) => room(target) !== name).map((target) => [`${name}/${file}`, target]);
  }),
);

test("every module has its room; beside the rooms lie only the files that pages load", () => {
  const names = readdirSync(SOURCE, { withFileTypes: true });
  assert.deepEqual(names.filter((entry) => entry.isDirectory()).map(({ name }) => name).sort(), [...BELOW, ...PANELS, "styles"].sort());
  assert.deepEqual(names.filter((entry) => entry.isFile()).map(({ name }) => name).sort(), ENTRIES);
});

test("no panel imports another panel", () => {
  assert.ok(imports.length > 100);
  assert.deepEqual(imports.filter(([file, target]) => PANELS.includes(room(file)) && PANELS.includes(room(target))), []);
});

test("no room imports one above it", () => {
  const floor = (path) => (BELOW.includes(room(path)) ? BELOW.indexOf(room(path)) : BELOW.length);
  const upward = imports.filter(([file, target]) => floor(target) > floor(file));
  assert.deepEqual(upward, []);
});

test("only the embedded elements import a page's entry: the client that finds its server", () => {
  const entries = imports.filter(([, target]) => ENTRIES.includes(target));
  assert.deepEqual(entries, [["embed/element.js", "client.js"]]);
});
