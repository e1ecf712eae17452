import assert from "node:assert/strict";
import { test } from "node:test";
import {
  blockAt,
  damageText,
  isDamagedAt,
  lackOf,
  lengthText,
  momentText,
  noteText,
  spokenLength,
  wholeAfter,
} from "./timeline.js";
import { dayAndTime, offsetOf } from "./texts.js";

const blocks = [
  { time_ms: 0, whole: false },
  { time_ms: 100, whole: true },
  { time_ms: 200, whole: false },
  { time_ms: 300, whole: true },
];

test("playing begins at the last whole block before a moment, or at the first", () => {
  const found = [-1, 0, 99, 100, 250, 299, 300, 9_999].map((at_ms) => blockAt(blocks, at_ms));
  assert.deepEqual(found, [0, 0, 0, 1, 1, 1, 3, 3]);
});

test("lengths have hours only where there are some", () => {
  assert.deepEqual([0, 7_999, 750_000, 3_723_000].map(lengthText), ["0:00", "0:07", "12:30", "1:02:03"]);
});

test("lengths are spoken in words", () => {
  assert.equal(spokenLength(0), "0 seconds");
  assert.equal(spokenLength(3_661_000), "1 hour 1 minute 1 second");
  assert.equal(spokenLength(120_000), "2 minutes");
});

test("moments are told in the browser's zone, by its distance from UTC", () => {
  const at = new Date("2026-11-24T05:31:55.900Z");
  assert.equal(momentText(at.getTime()), `${dayAndTime(at)} (${offsetOf(at)})`);
  const behind_min = (offset) => offsetOf({ getTimezoneOffset: () => offset });
  assert.deepEqual([-480, 0, -345, 210].map(behind_min), ["UTC+08:00", "UTC+00:00", "UTC+05:45", "UTC−03:30"]);
});

test("a recording says what it lacks", () => {
  const damage = [{ from_ms: 1_000, to_ms: 61_000 }];
  assert.equal(lackOf({ complete: true, ended: true, damage: [] }), null);
  assert.match(lackOf({ complete: false, ended: true, damage: [] }).word, /missing/);
  assert.match(lackOf({ complete: false, ended: false, damage: [] }).text, /still runs/);
  assert.equal(lackOf({ complete: false, ended: true, damage }).word, "Damaged");
  assert.match(lackOf({ complete: false, ended: false, damage }).text, /0:01 to 1:01/);
});

test("a damaged part begins with what is no longer right and ends with a whole picture", () => {
  const damage = [{ from_ms: 100, to_ms: 200 }];
  assert.deepEqual([99, 100, 199, 200].map((at_ms) => isDamagedAt(damage, at_ms)), [false, true, true, false]);
  assert.match(damageText(damage[0]), /Damaged/);
});

test("after a damaged block playing goes on with the next whole one", () => {
  assert.deepEqual([0, 1, 2, 3].map((number) => wholeAfter(blocks, number)), [1, 3, 3, null]);
});

test("each note has a sentence", () => {
  for (const what of ["link-lost", "link-renewed", "gap"]) {
    assert.notEqual(noteText(what), what);
  }
  assert.equal(noteText("new-in-a-later-version"), "new-in-a-later-version");
});
