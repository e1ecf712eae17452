import assert from "node:assert/strict";
import { test } from "node:test";
import { LAYOUTS, keysOf, locksShift } from "./layouts.js";

const LINUX = { windows: false };
const WINDOWS = { windows: true };
const ASCII = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0x20 + index));

for (const name of Object.keys(LAYOUTS)) {
  for (const system of [LINUX, WINDOWS]) {
    test(`${name} has all of ASCII on ${system.windows ? "Windows" : "Linux"}`, () => {
      const keys = keysOf(name, system);
      assert.deepEqual(ASCII.filter((character) => !keys.has(character)), []);
    });
  }
}

test("a character is where its keyboard has it", () => {
  const place = (name, character) =>
    keysOf(name, LINUX).get(character).map(({ code, shift, altGr }) => [code, shift, altGr].join(" "));
  assert.deepEqual(place("de", "z"), ["KeyY false false"]);
  assert.deepEqual(place("de", "@"), ["KeyQ false true"]);
  assert.deepEqual(place("fr", "1"), ["Digit1 true false"]);
  assert.deepEqual(place("uk", "£"), ["Digit3 true false"]);
  assert.deepEqual(place("es", "ñ"), ["Semicolon false false"]);
  assert.deepEqual(place("jp", "_"), ["IntlRo true false"]);
});

test("an accent is a dead key before its letter, or before a space", () => {
  const place = (character) => keysOf("de", LINUX).get(character).map(({ code, shift }) => [code, shift].join(" "));
  assert.deepEqual(place("è"), ["Equal true", "KeyE false"]);
  assert.deepEqual(place("Ê"), ["Backquote false", "KeyE true"]);
  assert.deepEqual(place("^"), ["Backquote false", "Space false"]);
});

test("a sign that is dead on Windows only has a space after it there", () => {
  const codes = (system) => keysOf("fr", system).get("~").map(({ code }) => code);
  assert.deepEqual(codes(LINUX), ["Digit2"]);
  assert.deepEqual(codes(WINDOWS), ["Digit2", "Space"]);
});

test("Caps Lock concerns letters, and on some keyboards of Windows more", () => {
  const isLetter = (name, character) => keysOf(name, LINUX).get(character)[0].letter;
  assert.deepEqual(["a", "Ä", "1", "ß", "@"].map((character) => isLetter("de", character)), [true, true, false, false, false]);
  assert.deepEqual(["é", "ù", "%"].map((character) => isLetter("fr", character)), [false, false, false]);
  assert.equal(locksShift("de", WINDOWS), true);
  assert.equal(locksShift("de", LINUX), false);
  assert.equal(locksShift("us", WINDOWS), false);
});
