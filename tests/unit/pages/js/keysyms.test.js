import assert from "node:assert/strict";
import { test } from "node:test";
import { KEYS, keyOf, keysymOf } from "./keysyms.js";

test("function keys have their keysyms", () => {
  assert.deepEqual(KEYS.F1, [0xffbe, "F1"]);
  assert.deepEqual(KEYS.F12, [0xffc9, "F12"]);
});

test("characters have Latin-1 or Unicode keysyms", () => {
  assert.deepEqual(["a", "ü", "世", "😀"].map(keysymOf), [0x61, 0xfc, 0x01004e16, 0x0101f600]);
});

test("a key is found by its name or by what is on it", () => {
  assert.deepEqual(keyOf("Tab"), KEYS.Tab);
  assert.deepEqual(keyOf("w"), [0x77, "KeyW"]);
  assert.deepEqual(keyOf("w", true), [0x57, "KeyW"]);
  assert.deepEqual(keyOf("7"), [0x37, "Digit7"]);
  assert.deepEqual(keyOf("/"), [0x2f, "Slash"]);
  assert.equal(keyOf("constructor"), null);
  assert.equal(keyOf("ü"), null);
});
