import assert from "node:assert/strict";
import { test } from "node:test";

import { Mosaic } from "../../src/map/mosaic.js";

const STEPS = [-4, -3, -2, -1, 0, 1, 2, 3, 4];
const COLOURS = Object.fromEntries(STEPS.map((step) => [step, { back: `back ${step}`, ink: "ink" }]));
const box = (x, y = 0) => ({ x, y, width: 100, height: 100 });

/** A mosaic on a canvas that only writes down what is filled: [colour, x, y, width, height] and the texts. */
function made(t, places = new Map([["a", box(0)], ["b", box(100)], ["c", box(200)]])) {
  const drawn = { boxes: [], texts: [], cleared: 0 };
  const pen = {
    measureText: (text) => ({ width: text.length * 60 }),
    setTransform() {},
    clearRect: () => (drawn.cleared += 1),
    fillRect: (...at) => drawn.boxes.push([pen.fillStyle, pen.globalAlpha ?? 1, ...at]),
    fillText: (text) => drawn.texts.push(text),
  };
  const mosaic = new Mosaic({ getContext: () => pen });
  mosaic.resize(300, 100, 1);
  mosaic.dress(COLOURS, "font");
  mosaic.place(places, false);
  for (const id of places.keys()) mosaic.set(id, id.toUpperCase(), "+1.00%", "1");
  const draw = () => {
    Object.assign(drawn, { boxes: [], texts: [], cleared: 0 });
    return mosaic.draw();
  };
  draw();
  return { mosaic, draw, drawn };
}

test("only tiles that say something else are drawn again", (t) => {
  const { mosaic, draw, drawn } = made(t);
  mosaic.set("a", "A", "+1.00%", "1");
  mosaic.set("b", "B", "−2.00%", "-2");
  draw();
  assert.deepEqual(drawn.boxes, [["back -2", 1, 100, 0, 99, 99]]);
  assert.deepEqual(drawn.texts, ["B", "−2.00%"]);
  assert.equal(drawn.cleared, 0);
});

test("tiles glide to their new places and then rest", (t) => {
  const { mosaic, draw, drawn } = made(t);
  const clock = t.mock.method(performance, "now", () => 1_000);
  mosaic.place(new Map([["a", box(200)], ["b", box(100)], ["c", box(0)]]), true);
  clock.mock.mockImplementation(() => 1_100);
  assert.equal(draw(), false);
  const [, , underway] = drawn.boxes[0];
  assert.ok(underway > 0 && underway < 200, `${underway}`);
  clock.mock.mockImplementation(() => 2_000);
  assert.equal(draw(), true);
  assert.equal(drawn.boxes[0][2], 200);
});

test("without gliding tiles are where they belong at once", (t) => {
  const { mosaic, draw, drawn } = made(t);
  mosaic.place(new Map([["a", box(200)]]), false);
  assert.equal(draw(), true);
  assert.deepEqual(drawn.boxes.map(([, , x]) => x), [200]);
});

test("a highlighted step dims the other tiles, those that change meanwhile too", (t) => {
  const { mosaic, draw, drawn } = made(t);
  mosaic.set("b", "B", "−2.00%", "-2");
  mosaic.highlight("-2");
  draw();
  const alphas = () => Object.fromEntries(drawn.boxes.map(([colour, alpha]) => [colour, alpha]));
  assert.equal(alphas()["back -2"], 1);
  assert.ok(alphas()["back 1"] < 0.5);
  mosaic.set("a", "A", "+2.00%", "2");
  draw();
  assert.ok(alphas()["back 2"] < 0.5);
  assert.equal(drawn.cleared, 1, "what is let through must not lie over what was there before");
});

test("a tile that is out of sight is not drawn, and the label of one that is partly seen stands where it is seen", (t) => {
  const { mosaic, draw, drawn } = made(t);
  mosaic.look({ k: 3, x: -200, y: 0 });
  draw();
  assert.deepEqual(drawn.boxes.map(([, , x]) => x), [-200, 100]);
  assert.deepEqual(drawn.texts, ["A", "+1.00%", "B", "+1.00%"]);
});
