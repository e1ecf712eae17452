import assert from "node:assert/strict";
import { test } from "node:test";
import { Touchpad } from "./touchpad.js";

const finger = (x, y, id = 1) => ({ id, x, y });

/** A touchpad with a clock; `touch` gives the kinds of steps. */
function pad() {
  const clock = { ms: 0 };
  const touchpad = new Touchpad(() => clock.ms);
  return { clock, touchpad, touch: (...fingers) => touchpad.touched(fingers), after: (ms) => (clock.ms += ms) };
}

test("a tap is a click, with two fingers the right one", () => {
  const { touch, after } = pad();
  touch(finger(10, 10));
  after(100);
  assert.deepEqual(touch(), [{ type: "click", button: "left" }]);
  touch(finger(10, 10));
  touch(finger(10, 10), finger(60, 10, 2));
  touch(finger(10, 10));
  assert.deepEqual(touch(), [{ type: "click", button: "right" }]);
});

test("a long touch, and one that moves, is no tap", () => {
  const { touch, after } = pad();
  touch(finger(10, 10));
  after(400);
  assert.deepEqual(touch(), []);
  touch(finger(10, 10));
  touch(finger(40, 10));
  assert.deepEqual(touch(), []);
});

test("a finger moves the pointer, once it moves at all", () => {
  const { touch } = pad();
  touch(finger(10, 10));
  assert.deepEqual(touch(finger(13, 10)), []);
  assert.deepEqual(touch(finger(20, 10)), [{ type: "move", dx: 16, dy: 0 }]);
  assert.deepEqual(touch(finger(20, 20)), [{ type: "move", dx: 0, dy: 16 }]);
});

test("a finger that rests holds the button until it goes up", () => {
  const { touch, touchpad } = pad();
  touch(finger(10, 10));
  assert.deepEqual(touchpad.rested(), [{ type: "press" }]);
  assert.equal(touch(finger(40, 10))[0].type, "move");
  assert.deepEqual(touch(), [{ type: "release" }]);
});

test("a finger that moves, or has gone, doesn't rest", () => {
  const { touch, touchpad } = pad();
  assert.deepEqual(touchpad.rested(), []);
  touch(finger(10, 10));
  touch(finger(40, 10));
  assert.deepEqual(touchpad.rested(), []);
});

test("a second finger lets the button go", () => {
  const { touch, touchpad } = pad();
  touch(finger(10, 10));
  touchpad.rested();
  assert.deepEqual(touch(finger(10, 10), finger(60, 10, 2)), [{ type: "release" }]);
});

test("two fingers that move together scroll, and one that stays moves nothing", () => {
  const { touch } = pad();
  touch(finger(10, 10));
  touch(finger(10, 10), finger(60, 10, 2));
  assert.deepEqual(touch(finger(10, 50), finger(60, 50, 2)), [{ type: "scroll", dx: 0, dy: 40 }]);
  assert.deepEqual(touch(finger(10, 90), finger(60, 90, 2)), [{ type: "scroll", dx: 0, dy: 80 }]);
  assert.deepEqual(touch(finger(10, 90)), []);
  assert.deepEqual(touch(finger(90, 90)), []);
  assert.deepEqual(touch(), []);
});

test("two fingers that come apart pinch", () => {
  const { touch } = pad();
  touch(finger(100, 10));
  touch(finger(100, 10), finger(200, 10, 2));
  assert.deepEqual(touch(finger(50, 10), finger(250, 10, 2)), [
    { type: "pinch", ratio: 2, from: { x: 150, y: 10 }, to: { x: 150, y: 10 } },
  ]);
});
