import assert from "node:assert/strict";
import { test } from "node:test";
import { choices, progress, question, taken } from "./powerwords.js";

const IDLE = { under_way: null, ended: null };
const labels = (state) => choices({ ...IDLE, ...state }).map(({ label }) => label);

test("only what fits the status can be chosen", () => {
  assert.deepEqual(labels({ status: "Running", fits: ["stop", "restart"] }), ["Stop", "Restart", "Cut the power…", "Reset…"]);
  assert.deepEqual(labels({ status: "Stopped", fits: ["start"] }), ["Start"]);
  assert.deepEqual(labels({ status: "Pending", fits: [] }), []);
});

test("nothing can be chosen while something is under way, but a power cut against a shutdown that hangs", () => {
  const stop = { action: "stop", force: false, seconds: 3 };
  assert.deepEqual(labels({ status: "Running", fits: [], under_way: stop }), []);
  assert.deepEqual(labels({ status: "Stopping", fits: [], under_way: stop }), ["Cut the power…"]);
  assert.deepEqual(labels({ status: "Stopping", fits: [], under_way: { ...stop, force: true } }), []);
  assert.deepEqual(labels({ status: "Starting", fits: [], under_way: { ...stop, action: "start" } }), []);
});

test("a start is asked of nobody, the others name the instance", () => {
  assert.equal(question("start", false, "web-1"), null);
  for (const action of ["stop", "restart"]) {
    const asked = question(action, false, "web-1");
    assert.match(asked.title, /web-1\?$/);
    assert.equal(asked.typed, "");
  }
});

test("a power cut names the danger, and wants the name typed", () => {
  for (const action of ["stop", "restart"]) {
    const asked = question(action, true, "web-1");
    assert.match(asked.text, /plug.*lost/);
    assert.equal(asked.typed, "web-1");
  }
});

test("how far it is is a sentence", () => {
  const restart = { action: "restart", force: false, seconds: 1 };
  assert.equal(progress({ ...IDLE, status: "Running" }, "web-1"), "web-1 is Running.");
  assert.equal(progress({ ...IDLE, status: null }, "web-1"), "What web-1 does isn’t known.");
  assert.equal(
    progress({ status: "Stopping", under_way: restart, ended: null }, "web-1"),
    "web-1 is being restarted. Its status is Stopping.",
  );
  const ended = { action: "stop", force: false, done: false, text: "web-1 isn't Stopped after 15 minutes." };
  assert.equal(progress({ status: "Stopping", under_way: null, ended }, "web-1"), ended.text);
  assert.match(taken("stop", "web-1"), /web-1 is being stopped/);
});
