import assert from "node:assert/strict";
import { test } from "node:test";
import { KEYS } from "./keysyms.js";
import { strokesFor } from "./strokes.js";

const flat = (strokes) => strokes.map(({ keysym, code, shift, altGr }) => [keysym, code, shift, altGr]);

test("letters, digits and signs are keys of a US keyboard, shifted where they must be", () => {
  const { strokes, missing } = strokesFor("aZ5%/");
  assert.deepEqual(flat(strokes), [
    [0x61, "KeyA", false, false],
    [0x5a, "KeyZ", true, false],
    [0x35, "Digit5", false, false],
    [0x25, "Digit5", true, false],
    [0x2f, "Slash", false, false],
  ]);
  assert.deepEqual(missing, []);
});

test("Caps Lock turns Shift around for letters alone", () => {
  const { strokes } = strokesFor("aZ5%", { capsLock: true });
  assert.deepEqual(flat(strokes), [
    [0x61, "KeyA", true, false],
    [0x5a, "KeyZ", false, false],
    [0x35, "Digit5", false, false],
    [0x25, "Digit5", true, false],
  ]);
});

test("AltGr and dead keys have keysyms of their own", () => {
  const { strokes } = strokesFor("@Ê", { layout: "de", capsLock: true });
  assert.deepEqual(flat(strokes), [
    [0x40, "KeyQ", false, true],
    [0xfe52, "Backquote", false, false],
    [0x45, "KeyE", false, false],
  ]);
});

test("a line end of any kind is one Return", () => {
  const { strokes } = strokesFor("\r\n\r\n");
  assert.deepEqual(strokes.map(({ keysym }) => keysym), [KEYS.Return[0], KEYS.Return[0]]);
});

test("characters that the layout lacks are named once each and left out", () => {
  const { strokes, missing } = strokesFor("ü世a世😀");
  assert.deepEqual(missing, ["ü", "世", "😀"]);
  assert.equal(strokes.length, 1);
});

test("a letter with a combining accent is the letter with that accent", () => {
  assert.deepEqual(strokesFor("u\u0308", { layout: "de" }).missing, []);
});

test("control characters are left out and counted", () => {
  const { strokes, dropped } = strokesFor("\u0007\u001b[31m\t");
  assert.equal(dropped, 2);
  assert.deepEqual(strokes.at(-1).keysym, KEYS.Tab[0]);
});
