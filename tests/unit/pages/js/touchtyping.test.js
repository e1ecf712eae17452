import assert from "node:assert/strict";
import { test } from "node:test";
import { isUsedUp, PADDING, typedBetween } from "./touchtyping.js";

test("what was added is typed", () => {
  assert.deepEqual(typedBetween(PADDING, `${PADDING}ls`), { backspaces: 0, text: "ls" });
});

test("what was taken away is so many backspaces", () => {
  assert.deepEqual(typedBetween(PADDING, PADDING.slice(2)), { backspaces: 2, text: "" });
});

test("a word that the keyboard mends is typed over", () => {
  assert.deepEqual(typedBetween("__tset", "__test "), { backspaces: 3, text: "est " });
});

test("a character beyond the basic plane is one", () => {
  assert.deepEqual(typedBetween("_😀", "_"), { backspaces: 1, text: "" });
});

test("the field begins anew before nothing is left to take away", () => {
  assert.ok(!isUsedUp(PADDING));
  assert.ok(isUsedUp("____"));
  assert.ok(isUsedUp(PADDING.repeat(4)));
});
