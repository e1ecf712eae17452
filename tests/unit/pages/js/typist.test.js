import assert from "node:assert/strict";
import { test } from "node:test";
import { strokesFor } from "./strokes.js";
import { TypingStopped, typeStrokes } from "./typist.js";

function desk(ready = () => "yes") {
  const events = [];
  const sleeps = [];
  const abort = new AbortController();
  return {
    events,
    sleeps,
    abort,
    how: {
      press: (keysym, _code, down) => events.push([keysym, down]),
      perSecond: 20,
      ready,
      sleep: async (seconds) => sleeps.push(seconds),
      progress: () => {},
      signal: abort.signal,
    },
  };
}

test("a shifted character is pressed between Shift down and Shift up", async () => {
  const { events, how } = desk();
  assert.equal(await typeStrokes(strokesFor("A").strokes, how), 1);
  assert.deepEqual(events, [
    [0xffe1, true],
    [0x41, true],
    [0x41, false],
    [0xffe1, false],
  ]);
});

test("AltGr is held as Shift is", async () => {
  const { events, how } = desk();
  await typeStrokes(strokesFor("@", { layout: "de" }).strokes, how);
  assert.deepEqual(events, [
    [0xfe03, true],
    [0x40, true],
    [0x40, false],
    [0xfe03, false],
  ]);
});

test("the pace is kept", async () => {
  const { sleeps, how } = desk();
  await typeStrokes(strokesFor("abcd").strokes, how);
  assert.deepEqual(sleeps, [0.05, 0.05, 0.05, 0.05]);
});

test("no key comes faster than QEMU takes it", async () => {
  const { sleeps, how } = desk();
  await typeStrokes(strokesFor("aA").strokes, { ...how, perSecond: 120 });
  assert.deepEqual(sleeps, [0.02, 0.04]);
});

test("a full way out is waited for", async () => {
  let polls = 0;
  const { events, how } = desk(() => (++polls < 4 ? "wait" : "yes"));
  await typeStrokes(strokesFor("a").strokes, how);
  assert.equal(polls, 4);
  assert.equal(events.length, 2);
});

test("cancelling stops with the number typed and no key left down", async () => {
  const { events, abort, how } = desk();
  how.progress = (done) => done === 2 && abort.abort();
  await assert.rejects(typeStrokes(strokesFor("abcd").strokes, how), (error) => {
    assert.ok(error instanceof TypingStopped);
    assert.equal(error.message, "cancelled");
    assert.equal(error.typed, 2);
    return true;
  });
  const down = new Set();
  events.forEach(([keysym, isDown]) => (isDown ? down.add(keysym) : down.delete(keysym)));
  assert.equal(down.size, 0);
});

test("a lost link stops it", async () => {
  let typed = 0;
  const { how } = desk(() => (typed < 3 ? "yes" : "no"));
  how.progress = (done) => {
    typed = done;
  };
  await assert.rejects(typeStrokes(strokesFor("abcdef").strokes, how), { message: "link", typed: 3 });
});

test("typing stops when somebody else takes control, and says so", async () => {
  let polls = 0;
  const { how } = desk(() => (++polls < 3 ? "yes" : "taken"));
  await assert.rejects(typeStrokes(strokesFor("abcd").strokes, how), { message: "control", typed: 2 });
});
