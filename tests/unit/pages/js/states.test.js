import assert from "node:assert/strict";
import { test } from "node:test";
import { budgetFact, shownState, stateWords } from "./states.js";

const STOPPED = {
  state: "resuming",
  attempt: 3,
  error: { code: "IncorrectInstanceStatus", text: "It has no console.", request_id: "4C46-1" },
  instance_status: "Stopped",
  max_wait_s: 120,
};

test("a running or opaque console shows the screen, not words", () => {
  assert.equal(stateWords({ state: "running" }, { hasPicture: true }), null);
  assert.equal(stateWords({ state: "opaque" }, { hasPicture: true }), null);
});

test("until the first picture is whole the screen is only starting", () => {
  assert.equal(shownState({ state: "running" }, false), "handshake");
  assert.match(stateWords({ state: "running" }).title, /Starting the screen/);
});

test("what failed is the title, then what to do, what comes next, and the cloud's codes", () => {
  const words = stateWords(STOPPED);
  assert.deepEqual([words.title, words.text], ["The instance is stopped", "Start it."]);
  assert.match(words.next, /every few seconds, for 2 min 00 s at most, and opens the console/);
  assert.equal(words.detail, "3 tries so far.");
  assert.equal(words.codes, "IncorrectInstanceStatus\nrequest 4C46-1");
});

test("the card says the same while the next try is under way", () => {
  for (const state of ["waiting-budget", "fetching-url", "connecting", "handshake"]) {
    assert.equal(stateWords({ ...STOPPED, state }).title, "The instance is stopped", state);
  }
  assert.equal(stateWords({ ...STOPPED, state: "fetching-url", attempt: 1 }).title, "Asking the cloud for the console");
});

test("throttling says until when, and nothing of another time", () => {
  const until_ms = new Date(2026, 0, 2, 12, 3, 20).getTime();
  const error = { code: "Throttling.User", text: "The cloud limits how often its API is called." };
  const words = stateWords({ state: "resuming", error, attempt: 1 }, { until_ms });
  assert.equal(words.title, "Throttled by the cloud until 12:03:20");
  assert.doesNotMatch(Object.values(words).slice(1).join(" "), /minute|second|\d/);
});

test("an error without a code keeps the title of the state, and is told", () => {
  const error = { code: null, text: "the gateway answered with HTTP status 503" };
  const words = stateWords({ state: "resuming", error, attempt: 1 }, { hasPicture: true });
  assert.deepEqual([words.title, words.text], ["Bringing the link back", "The gateway answered with HTTP status 503."]);
  assert.match(words.detail, /isn’t passed on/);
  // The steps of the next try don't take it away.
  const step = stateWords({ state: "connecting", error, attempt: 1 }, { hasPicture: true });
  assert.equal(step.title, words.title);
});

test("without a picture there is nothing to bring back", () => {
  const words = stateWords({ state: "resuming" });
  assert.match(words.title, /Not connected yet/);
  assert.doesNotMatch(words.detail, /last picture/);
});

test("the budget is told with its number and what it counts for", () => {
  assert.equal(budgetFact({ limit: 29, counts_for: "instance" }), "This instance used its 29 connections of the last minute");
  assert.equal(budgetFact({ limit: 1, counts_for: "account" }), "This account used its one connection of the last minute");
  const waiting = { state: "waiting-budget", wait_s: 20, budget: { limit: 29, counts_for: "instance" } };
  assert.match(stateWords(waiting).title, /its 29 connections/);
  assert.match(stateWords(waiting).next, /as soon as one becomes free/);
});

test("a connection that need not be waited for is no wait", () => {
  const asking = { state: "waiting-budget", wait_s: null, attempt: 1 };
  assert.equal(shownState(asking, false), "idle");
  assert.equal(shownState({ ...asking, attempt: 2 }, false), "retrying");
  assert.equal(shownState(asking, true), "resuming");
  assert.equal(shownState({ ...asking, wait_s: 20 }, true), "waiting-budget");
});
