import assert from "node:assert/strict";
import { test } from "node:test";
import { amount, span, speed } from "./amounts.js";

test("amounts have at most three digits", () => {
  const said = [0, 999.4, 999.6, 1200, 9949, 9951, 999_600, 15_400_000, 2.5e9, 3e15].map(amount);
  assert.deepEqual(said, [
    "0 B", "999 B", "1.0 kB", "1.2 kB", "9.9 kB", "10 kB", "1.0 MB", "15 MB", "2.5 GB", "3000 TB",
  ]);
  assert.equal(speed({ bytes: 7, bytes_per_s: 1234 }), "1.2 kB/s");
});

test("time spans are told in their largest units", () => {
  const said = [-1, 0.9, 59, 61, 3599, 3720, 86_400 * 2 + 3 * 3600].map(span);
  assert.deepEqual(said, ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h 02 min", "2 d 03 h"]);
});
