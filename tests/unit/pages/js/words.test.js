import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudErrorText, counted, keepaliveWords, placeOf, refusalWords, sentence, shownState, spoken, stateWords, timeLeft, titleOf, wantsLogin } from "./words.js";

test("a running or opaque console shows the screen, not words", () => {
  assert.equal(stateWords({ state: "running" }), null);
  assert.equal(stateWords({ state: "opaque" }), null);
});

test("a waiting state says the daemon's sentence, the cloud's error and the instance's state", () => {
  const words = stateWords({
    state: "fetching-url",
    text: "It is asked again.",
    attempt: 3,
    error: { code: "IncorrectInstanceStatus", text: "" },
    instance_status: "Stopped",
  });
  assert.equal(words.text, "It is asked again.");
  assert.match(words.detail, /IncorrectInstanceStatus/);
  assert.match(words.detail, /Stopped/);
  assert.match(words.detail, /3 tries/);
});

test("a cloud's code is matched by its beginning", () => {
  assert.match(cloudErrorText("Forbidden.RAM"), /RAM policy must allow ecs:DescribeInstanceVncUrl for/);
  assert.match(cloudErrorText("Forbidden.RAM", "", "ecs:DescribeInstances"), /must allow ecs:DescribeInstances\./);
  assert.match(cloudErrorText("Throttling.User"), /too often/);
  assert.match(cloudErrorText("Brand.New", "The daemon's words."), /The daemon's words\. The cloud’s code is Brand\.New/);
});

test("only refusals that pass are retried", () => {
  const retries = [0, 400, 401, 403, 404, 409, 421, 429, 500, 502, 503].map(
    (status) => refusalWords({ status, text: "" }).retry,
  );
  assert.deepEqual(retries, [
    "backoff", "never", "never", "never", "never", "never", "never", "after", "backoff", "backoff", "after",
  ]);
});

test("times and counts read well", () => {
  assert.equal(timeLeft(0.2), "1 s");
  assert.equal(timeLeft(65), "1 min 05 s");
  assert.equal(timeLeft(-3), "0 s");
  assert.equal(counted(1, "key"), "1 key");
  assert.equal(counted(2, "key"), "2 keys");
});

test("an error without a code of the cloud is told in the daemon's words", () => {
  assert.equal(cloudErrorText(null, "the gateway closed the connection"), "The gateway closed the connection.");
  assert.equal(sentence("Done."), "Done.");
  assert.equal(sentence(""), "");
});

test("what is read out has one full stop after each sentence", () => {
  assert.equal(spoken("Connecting", "One moment.", ""), "Connecting. One moment.");
  assert.equal(spoken("Really?", "why not"), "Really? Why not.");
});

test("while a link is replaced the page says that typing isn't passed on", () => {
  assert.match(stateWords({ state: "resuming", text: "The next try follows." }, true).detail, /isn’t passed on/);
});

test("a place doesn't repeat the name", () => {
  const instance = { alias: "web-1", id: "i-1", region: "cn-hangzhou", windows: true, name: "web-1" };
  assert.equal(placeOf(instance), "i-1 · cn-hangzhou · Windows");
  // A discovered instance's alias is its id.
  assert.equal(titleOf({ ...instance, alias: "i-1" }), instance.name);
  assert.equal(placeOf({ ...instance, alias: "i-1", windows: false }), "i-1 · cn-hangzhou");
});

test("without a picture there is nothing to bring back", () => {
  const words = stateWords({ state: "resuming", text: "The next try follows." });
  assert.match(words.title, /Not connected yet/);
  assert.doesNotMatch(words.detail, /last picture/);
});

test("a connection that need not be waited for is no wait", () => {
  const asking = { state: "waiting-budget", wait_s: null, attempt: 1, text: "Asking." };
  assert.equal(shownState(asking, false), "idle");
  assert.equal(shownState({ ...asking, attempt: 2 }, false), "retrying");
  assert.equal(shownState(asking, true), "resuming");
  assert.equal(shownState({ ...asking, wait_s: 20 }, true), "waiting-budget");
  assert.match(stateWords({ ...asking, wait_s: 20 }).title, /Waiting for a free connection/);
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
