import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffPause, retryPause } from "./backoff.js";

test("the pauses grow to 30 s and stay there", () => {
  const whole = [0, 1, 2, 3, 4, 5, 6, 100].map((attempt) => backoffPause(attempt, 0.999999));
  assert.deepEqual(whole.map(Math.round), [1, 2, 4, 8, 16, 30, 30, 30]);
});

test("jitter takes away up to half", () => {
  assert.equal(backoffPause(3, 0), 4);
});

test("a restart is waited for between half a second and five", () => {
  assert.equal(retryPause("pause", { attempt: 0, chance: 0 }), 0.5);
  assert.ok(retryPause("pause", { attempt: 0, chance: 0.999 }) < 5);
  assert.ok(retryPause("pause", { attempt: 6, chance: 0.999 }) > 25);
});

test("the daemon's own time is kept, never shortened", () => {
  assert.equal(retryPause("after", { attempt: 0, after_s: 12, chance: 0 }), 12);
  assert.ok(retryPause("after", { attempt: 0, after_s: 12, chance: 0.9 }) > 12);
  assert.equal(retryPause("after", { attempt: 0, chance: 0 }), 60);
});

test("what waits for the person has no pause", () => {
  assert.equal(retryPause("never", { attempt: 0, chance: 0.5 }), null);
});
