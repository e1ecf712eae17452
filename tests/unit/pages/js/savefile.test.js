import assert from "node:assert/strict";
import { test } from "node:test";
import { stamp } from "./savefile.js";

test("a time in a file's name sorts as the time does", () => {
  assert.equal(stamp(new Date(2026, 10, 30, 9, 5, 7)), "20261130-090507");
});
