import assert from "node:assert/strict";
import { test } from "node:test";
import { KEYS, strokesFor } from "./keysyms.js";

test("letters, digits and signs are keys of a US keyboard, shifted where they must be", () => {
  const { strokes, foreign } = strokesFor("aZ5%/");
  assert.deepEqual(
    strokes.map(({ keysym, code, shift }) => [keysym, code, shift]),
    [
      [0x61, "KeyA", false],
      [0x5a, "KeyZ", true],
      [0x35, "Digit5", false],
      [0x25, "Digit5", true],
      [0x2f, "Slash", false],
    ],
  );
  assert.equal(foreign, 0);
});

test("all printable ASCII is on a US keyboard", () => {
  const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0x20 + index)).join("");
  const { strokes, foreign, dropped } = strokesFor(ascii);
  assert.equal(strokes.length, 95);
  assert.equal(foreign, 0);
  assert.equal(dropped, 0);
  assert.ok(strokes.every(({ code }) => code));
});

test("a line end of any kind is one Return", () => {
  const { strokes } = strokesFor("\r\n\r\n");
  assert.deepEqual(strokes.map(({ keysym }) => keysym), [KEYS.Return[0], KEYS.Return[0]]);
});

test("other characters become Latin-1 or Unicode keysyms and are counted", () => {
  const { strokes, foreign } = strokesFor("ü世😀");
  assert.deepEqual(strokes.map(({ keysym }) => keysym), [0xfc, 0x01004e16, 0x0101f600]);
  assert.equal(foreign, 3);
});

test("control characters are left out and counted", () => {
  assert.deepEqual(strokesFor("\u0007\u001b[31m").dropped, 2);
});

test("function keys have their keysyms", () => {
  assert.deepEqual(KEYS.F1, [0xffbe, "F1"]);
  assert.deepEqual(KEYS.F12, [0xffc9, "F12"]);
});
