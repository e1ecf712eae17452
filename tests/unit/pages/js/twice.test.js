import assert from "node:assert/strict";
import { test } from "node:test";
import { DOUBLE_CLICK_MS, SURE_MS, Twice } from "./twice.js";

test("a double click asks, and a press after it goes", () => {
  let now = 5;
  const twice = new Twice(() => now);
  const press = (after_ms) => {
    now += after_ms;
    return twice.press();
  };
  assert.equal(press(0), "ask");
  assert.equal(press(1), "wait");
  assert.equal(press(DOUBLE_CLICK_MS - 2), "wait");
  assert.equal(press(1), "go");
  assert.equal(press(1), "ask");
  assert.equal(press(SURE_MS), "ask");
  assert.equal(press(SURE_MS - 1), "go");
});
