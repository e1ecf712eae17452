import assert from "node:assert/strict";
import { test } from "node:test";
import { pinched, showing, WHOLE } from "./zoom.js";

const WINDOW = { width: 400, height: 300 };
const CENTRE = { x: 200, y: 150 };

test("a pinch keeps what is between the fingers there", () => {
  const view = pinched(WHOLE, { ratio: 2, from: CENTRE, to: CENTRE }, WINDOW, 4);
  assert.deepEqual(view, { scale: 2, x: -200, y: -150 });
});

test("fingers that move take the picture along, to its edge", () => {
  const view = { scale: 2, x: -200, y: -150 };
  const moved = (x, y) => pinched(view, { ratio: 1, from: CENTRE, to: { x: 200 + x, y: 150 + y } }, WINDOW, 4);
  assert.deepEqual(moved(50, -20), { scale: 2, x: -150, y: -170 });
  assert.deepEqual(moved(900, -900), { scale: 2, x: 0, y: -300 });
});

test("a picture is neither smaller than its window nor larger than allowed", () => {
  const pinch = (ratio) => pinched({ scale: 2, x: -10, y: -10 }, { ratio, from: CENTRE, to: CENTRE }, WINDOW, 4);
  assert.deepEqual(pinch(0.1), { scale: 1, x: 0, y: 0 });
  assert.equal(pinch(100).scale, 4);
});

test("a place outside the window is moved into it, no further", () => {
  const view = { scale: 2, x: -100, y: -100 };
  assert.deepEqual(showing(view, { x: 430, y: 10 }, WINDOW), { scale: 2, x: -130, y: -100 });
  assert.deepEqual(showing(view, { x: 10, y: -20 }, WINDOW), { scale: 2, x: -100, y: -80 });
});
