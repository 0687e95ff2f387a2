import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { isTyping } from "../../src/shell/typing.js";

const inside = (selectors) => ({ closest: (selector) => (selectors.some((one) => selector.includes(one)) ? {} : null) });
const press = (more) => ({ target: inside([]), isComposing: false, ctrlKey: false, metaKey: false, altKey: false, defaultPrevented: false, ...more });

describe("a key press", () => {
  test("on the page or on a button is no text", () => assert.equal(isTyping(press({})), false));

  for (const place of ["input", "textarea", "select", "[contenteditable]"]) {
    test(`in ${place} is text`, () => assert.equal(isTyping(press({ target: inside([place]) })), true));
  }

  for (const held of ["ctrlKey", "metaKey", "altKey"]) {
    test(`with ${held} is the browser's or the system's`, () => assert.equal(isTyping(press({ [held]: true })), true));
  }

  test("that composes a letter is text", () => assert.equal(isTyping(press({ isComposing: true })), true));
  test("that a panel has used is not used again", () => assert.equal(isTyping(press({ defaultPrevented: true })), true));
  test("aimed at the document itself is no text", () => assert.equal(isTyping(press({ target: {} })), false));
});
