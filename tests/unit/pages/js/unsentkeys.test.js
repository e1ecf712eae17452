import assert from "node:assert/strict";
import { test } from "node:test";
import { isLost, UnsentKeys } from "./unsentkeys.js";

const card = { closest: () => null };
const within = (name) => ({ closest: (names) => (names.split(", ").includes(name) ? {} : null) });
const button = within("button");

function press(source, key, more = {}) {
  const event = Object.assign(new Event("keydown"), { key, repeat: false, ...more });
  source.dispatchEvent(event);
}

test("what is pressed over a covered screen is counted, and taken once", () => {
  const source = new EventTarget();
  let covered = true;
  const told = [];
  const lost = new UnsentKeys(source, () => covered, (count) => told.push(count));
  press(source, "l");
  press(source, "s");
  press(source, "Enter");
  covered = false;
  press(source, "x");
  assert.deepEqual(told, [1, 2, 3]);
  assert.equal(lost.take(), 3);
  assert.equal(lost.take(), 0);
});

test("a key held down is one key, and what finds its way on the page or does nothing alone is none", () => {
  assert.ok(isLost({ key: "a", repeat: false, target: card }));
  assert.ok(isLost({ key: "a", repeat: false, target: {} }));
  assert.ok(!isLost({ key: "a", repeat: true, target: card }));
  assert.ok(!isLost({ key: "Tab", repeat: false, target: card }));
  assert.ok(!isLost({ key: "Shift", repeat: false, target: card }));
  assert.ok(!isLost({ key: "Enter", repeat: false, target: button }));
  assert.ok(!isLost({ key: " ", repeat: false, target: button }));
  assert.ok(!isLost({ key: "a", repeat: false, target: within("input") }));
  assert.ok(!isLost({ key: "a", repeat: false, target: within("#screen") }));
});

test("a button that was clicked takes no letters: they went nowhere", () => {
  assert.ok(isLost({ key: "a", repeat: false, target: button }));
  assert.ok(isLost({ key: "a", repeat: false, target: within("a") }));
});
