import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsInSight } from "./virtuallist.js";

const HUNDRED = new Array(100).fill(50);

test("only the rows in sight are built, and some beyond", () => {
  assert.deepEqual(rowsInSight(HUNDRED, 1000, 500, 0), { first: 20, end: 30, above: 1000, below: 3500 });
  assert.deepEqual(rowsInSight(HUNDRED, 1000, 500, 5), { first: 15, end: 35, above: 750, below: 3250 });
});

test("what isn't built takes its room", () => {
  for (const top of [-300, 0, 25, 4990, 9000]) {
    const { first, end, above, below } = rowsInSight(HUNDRED, top, 500);
    assert.equal(above + (end - first) * 50 + below, 5000, String(top));
    assert.ok(first >= 0 && end <= 100);
  }
});

test("rows have heights of their own", () => {
  const heights = [100, 20, 20, 300, 20];
  assert.deepEqual(rowsInSight(heights, 130, 100, 0), { first: 2, end: 4, above: 120, below: 20 });
});

test("an empty list has none", () => {
  assert.deepEqual(rowsInSight([], 0, 500), { first: 0, end: 0, above: 0, below: 0 });
});
