import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE_CODES, closeCode, cloudCodeOf } from "./closecodes.js";

test("every close code has words, a button and a known way to retry", () => {
  for (const entry of CLOSE_CODES) {
    assert.ok(entry.title && entry.text && entry.button, `${entry.code}`);
    assert.ok(["never", "pause", "backoff", "after"].includes(entry.retry), `${entry.code}`);
    assert.ok(["again", "reload", "list"].includes(entry.action), `${entry.code}`);
  }
});

test("an unknown code is named, a plain close isn't", () => {
  assert.match(closeCode(4999).text, /4999/);
  assert.equal(closeCode(1005).text, "");
  assert.equal(closeCode(4999).retry, "never");
});

test("the cloud's code is read from the reason, and nothing else is", () => {
  assert.equal(cloudCodeOf("upstream-refused: IncorrectInstanceStatus"), "IncorrectInstanceStatus");
  assert.equal(cloudCodeOf("upstream-lost"), "");
  assert.equal(cloudCodeOf("upstream-refused: <b>x</b>"), "");
});
