import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameCutter, LIVE } from "./recordframes.js";

function frame(time_ms, kind, bytes) {
  const made = new Uint8Array(13 + bytes.length);
  const view = new DataView(made.buffer);
  view.setFloat64(0, time_ms);
  view.setUint8(8, kind);
  view.setUint32(9, bytes.length);
  made.set(bytes, 13);
  return made;
}

test("frames come out whole, however they are cut on their way", () => {
  const wire = [...frame(1, 0, [1, 2, 3]), ...frame(2 ** 40, LIVE, []), ...frame(3.5, LIVE, [9])];
  for (let size = 1; size <= wire.length; size += 1) {
    const cutter = new FrameCutter();
    const found = [];
    for (let at = 0; at < wire.length; at += size) {
      for (const { time_ms, kind, data } of cutter.feed(Uint8Array.from(wire.slice(at, at + size)))) {
        found.push([time_ms, kind, [...data]]);
      }
    }
    assert.deepEqual(found, [[1, 0, [1, 2, 3]], [2 ** 40, LIVE, []], [3.5, LIVE, [9]]]);
  }
});

test("half a frame is kept for later", () => {
  const cutter = new FrameCutter();
  assert.deepEqual(cutter.feed(frame(1, LIVE, [1, 2]).subarray(0, 14)), []);
});
