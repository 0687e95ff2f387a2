// Colours that can be read: the contrasts of tokens.css, as WCAG counts them, in both themes and every palette.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";

import { PALETTES } from "../../src/page/looks.js";

const css = readFileSync(new URL("../../src/styles/tokens.css", import.meta.url), "utf8");
const TEXT = 4.5;

function declared(selector) {
  const body = css.match(new RegExp(`${selector.replaceAll(/[[\]]/g, "\\$&")} \\{([^}]*)\\}`))[1];
  return Object.fromEntries([...body.matchAll(/(--[\w-]+): ([^;]+);/g)].map(([, name, value]) => [name, value]));
}

/** The tokens of a theme and palette, as [r, g, b] where they are colours. */
function tokens(theme, palette) {
  const all = { ...declared(":root"), ...(palette === PALETTES[0][0] ? {} : declared(`:root[data-palette="${palette}"]`)) };
  const colour = (name) => {
    const value = all[name];
    const aliased = value.match(/^var\((.*)\)$/);
    if (aliased) return colour(aliased[1]);
    const [light, dark] = value.match(/#[0-9a-f]{6}/g);
    return (theme === "light" ? light : dark).match(/[0-9a-f]{2}/g).map((pair) => Number.parseInt(pair, 16));
  };
  return colour;
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((channel) => channel / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

const STEPS = [1, 2, 3, 4];
const TILES = [...STEPS.map((n) => `--tile-up-${n}`), ...STEPS.map((n) => `--tile-down-${n}`), "--tile-flat", "--tile-none"];
const PAIRS = [
  ...["--text", "--muted", "--accent", "--up", "--down"].flatMap((ink) => ["--page", "--surface", "--raised"].map((back) => [ink, back])),
  ...["--flash-up", "--flash-down"].flatMap((back) => ["--text", "--up", "--down"].map((ink) => [ink, back])),
  ["--warn", "--warn-back"],
  ["--warn", "--surface"],
  ["--demo", "--demo-back"],
  ...TILES.map((back) => ["--tile-ink", back]),
];

for (const theme of ["light", "dark"]) {
  for (const [palette] of PALETTES) {
    describe(`${theme}, ${palette}`, () => {
      const colour = tokens(theme, palette);
      for (const [ink, back] of PAIRS) {
        test(`${ink} can be read on ${back}`, () => assert.ok(contrast(colour(ink), colour(back)) >= TEXT, contrast(colour(ink), colour(back)).toFixed(2)));
      }
      test("the ring of focus can be seen", () => assert.ok(contrast(colour("--focus"), colour("--surface")) >= 3));
    });
  }
}

test("text is never made faint, which takes the contrast that its colour has, but where a control is off or an answer awaited", () => {
  const source = new URL("../../src/", import.meta.url);
  const styles = readdirSync(source, { recursive: true }).filter((file) => file.endsWith(".css"));
  assert.ok(styles.length > 10);
  const faint = styles.flatMap((file) => {
    const rules = readFileSync(new URL(file, source), "utf8").matchAll(/([^{};]+)\{[^{}]*opacity: 0?\.\d/g);
    return [...rules].map(([, selector]) => selector.trim()).filter((selector) => !/disabled|aria-busy/.test(selector));
  });
  assert.deepEqual(faint, []);
});
