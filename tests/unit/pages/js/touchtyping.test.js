import assert from "node:assert/strict";
import { test } from "node:test";
import { isUsedUp, PADDING, typedBetween } from "./touchtyping.js";

test("what was added is typed", () => {
  assert.deepEqual(typedBetween(PADDING, `${PADDING}ls`), { backspaces: 0, text: "ls", missing: [] });
});

test("what was taken away is so many backspaces", () => {
  assert.deepEqual(typedBetween(PADDING, PADDING.slice(2)), { backspaces: 2, text: "", missing: [] });
});

test("a word that the keyboard mends is typed over", () => {
  assert.deepEqual(typedBetween("__tset", "__test "), { backspaces: 3, text: "est ", missing: [] });
});

test("a character beyond the basic plane is one", () => {
  assert.deepEqual(typedBetween("_😀", "_"), { backspaces: 1, text: "", missing: [] });
});

test("the field begins anew before nothing is left to take away", () => {
  assert.ok(!isUsedUp(PADDING));
  assert.ok(isUsedUp("____"));
  assert.ok(isUsedUp(PADDING.repeat(4)));
});

test("with the caret amid the padding only what was added or taken away counts", () => {
  const before = `${PADDING}Hello`;
  const inserted = `${PADDING.slice(0, 60)}x${PADDING.slice(60)}Hello`;
  assert.deepEqual(typedBetween(before, inserted), { backspaces: 0, text: "x", missing: [] });
  assert.deepEqual(typedBetween(before, before.slice(1)), { backspaces: 1, text: "", missing: [] });
  assert.deepEqual(typedBetween(PADDING, `${PADDING.slice(0, 60)}x${PADDING.slice(60)}`), { backspaces: 0, text: "x", missing: [] });
});

test("what takes the padding's place takes away no more than what was typed", () => {
  assert.deepEqual(typedBetween(`${PADDING}Hello`, "x"), { backspaces: 5, text: "x", missing: [] });
  assert.deepEqual(typedBetween(`${PADDING}Hello`, ""), { backspaces: 5, text: "", missing: [] });
});

test("what the keyboard of the instance lacks is named, and neither typed nor taken away", () => {
  const types = (character) => character !== "é" && character !== "好";
  assert.deepEqual(typedBetween("__a", "__aéb好é", types), { backspaces: 0, text: "b", missing: ["é", "好"] });
  assert.deepEqual(typedBetween("__aé", "__", types), { backspaces: 1, text: "", missing: [] });
});
