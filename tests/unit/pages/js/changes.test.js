import assert from "node:assert/strict";
import { test } from "node:test";
import { Changes } from "./changes.js";

function notices(...messages) {
  const changes = new Changes();
  return messages.flatMap((message) => changes.next(message));
}

test("the first connection is no news", () => {
  assert.deepEqual(notices({ state: "connecting" }, { state: "handshake" }, { state: "running" }), []);
});

test("a link that is back says so, with what was dropped since it was lost", () => {
  const [back] = notices(
    { state: "running", discarded_keys: 2 },
    { state: "resuming", discarded_keys: 2 },
    { state: "waiting-budget", discarded_keys: 8 },
    { state: "running", discarded_keys: 8 },
  );
  assert.equal(back.level, "warning");
  assert.match(back.text, /6 keys that you pressed went nowhere/);
});

test("keys that the page kept to itself are told with those that the daemon dropped", () => {
  const changes = new Changes();
  changes.next({ state: "running", discarded_keys: 2 });
  changes.next({ state: "resuming", discarded_keys: 3 });
  const [back, ...more] = changes.next({ state: "running", discarded_keys: 3 }, 4);
  assert.match(back.text, /5 keys that you pressed went nowhere in between/);
  assert.equal(more.length, 0);
});

test("in a new session as well, where the link itself wasn’t lost", () => {
  const [told] = new Changes().next({ state: "running" }, 1);
  assert.deepEqual(told, { level: "warning", text: "1 key that you pressed went nowhere while the screen was away." });
});

test("nothing dropped is plain good news, told once", () => {
  const all = notices({ state: "running" }, { state: "resuming" }, { state: "running" }, { state: "running" });
  assert.deepEqual(all.map(({ level }) => level), ["info"]);
});

test("a loss that was over before it was told of shows by its count, but not one from before", () => {
  const running = (losses_survived) => ({ state: "running", saved: { losses_survived } });
  assert.equal(notices(running(3)).length, 0);
  assert.equal(notices(running(3), running(4), running(4)).length, 1);
});

test("opaque mode is explained once", () => {
  assert.equal(notices({ state: "opaque" }, { state: "opaque" }).length, 1);
});

test("a loss that is over is told once, however quick it was", () => {
  const changes = new Changes();
  const told = (state, survived) => {
    changes.next({ state, saved: { losses_survived: survived } });
    return changes.isBack;
  };
  assert.deepEqual([told("running", 0), told("running", 1), told("running", 1)], [false, true, false]);
  assert.deepEqual([told("resuming", 1), told("running", 2), told("running", 2)], [false, true, false]);
});
