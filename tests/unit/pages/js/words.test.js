import assert from "node:assert/strict";
import { test } from "node:test";
import { clockTime, keepaliveWords, placeOf, refusalWords, sentence, spoken, timeLeft, titleOf, waitsUntil, wantsLogin } from "./words.js";

test("only refusals that pass are retried", () => {
  const retries = [0, 400, 401, 403, 404, 409, 421, 429, 500, 502, 503].map(
    (status) => refusalWords({ status, text: "" }).retry,
  );
  assert.deepEqual(retries, [
    "backoff", "never", "never", "never", "never", "never", "never", "after", "backoff", "backoff", "after",
  ]);
});

test("a daemon that is about to stop is asked again as soon as one that has stopped", () => {
  assert.equal(refusalWords({ status: 503, word: "draining", text: "" }).retry, "pause");
});

test("times read well", () => {
  assert.equal(timeLeft(0.2), "1 s");
  assert.equal(timeLeft(65), "1 min 05 s");
  assert.equal(timeLeft(-3), "0 s");
});

test("what is read out has one full stop after each sentence", () => {
  assert.equal(spoken("Connecting", "One moment.", ""), "Connecting. One moment.");
  assert.equal(spoken("Really?", "why not"), "Really? Why not.");
});

test("a place doesn't repeat the name", () => {
  const instance = { alias: "web-1", id: "i-1", region: "cn-hangzhou", windows: true, name: "web-1" };
  assert.equal(placeOf(instance), "i-1 · cn-hangzhou · Windows");
  // A discovered instance's alias is its id.
  assert.equal(titleOf({ ...instance, alias: "i-1" }), instance.name);
  assert.equal(placeOf({ ...instance, alias: "i-1", windows: false }), "i-1 · cn-hangzhou");
});

test("what keeps the link open is said for every kind", () => {
  assert.equal(keepaliveWords("any"), "Kept open by vncproxy");
  assert.match(keepaliveWords("pointer"), /pointer messages/);
  assert.equal(keepaliveWords(undefined), "");
});

test("only where a log-in helps is one asked for", () => {
  assert.ok(wantsLogin({ status: 401, word: "log-in" }));
  assert.ok(wantsLogin({ status: 401 }));
  assert.ok(!wantsLogin({ status: 403 }));
  for (const word of ["no-account", "not-a-proxy", "no-secret", "wrong-secret", "no-user"]) {
    assert.ok(!wantsLogin({ status: 401, word }));
    assert.match(refusalWords({ status: 401, word, text: "It sees none." }).title, /aren’t known/);
  }
});

test("the daemon's words are told as a sentence", () => {
  assert.equal(sentence("the gateway closed the connection"), "The gateway closed the connection.");
  assert.equal(sentence("Done."), "Done.");
  assert.equal(sentence(""), "");
});

test("an instant is told to the second that is reached by then", () => {
  const noon_ms = new Date(2026, 0, 2, 12, 3, 19, 0).getTime();
  assert.deepEqual([clockTime(noon_ms), clockTime(noon_ms + 1)], ["12:03:19", "12:03:20"]);
});

test("a wait that is told again ends at the same instant, another one doesn't", () => {
  assert.equal(waitsUntil(null, 5, 1000), 6000);
  assert.equal(waitsUntil(6000, 3.1, 3000), 6000);
  assert.equal(waitsUntil(6000, 5, 3000), 8000);
  assert.deepEqual([waitsUntil(6000, null, 3000), waitsUntil(6000, 0, 3000)], [null, null]);
});
