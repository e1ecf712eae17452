import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplayChannel } from "./replaychannel.js";

const INIT = Uint8Array.from([0, 1, 0, 1]);

/** What noVNC does with a channel; answers fences when it is told to. */
function listener(channel) {
  const heard = { bytes: [], size: 0, fences: [], opened: 0, closed: [] };
  channel.onopen = () => {
    heard.opened += 1;
  };
  channel.onclose = (end) => heard.closed.push(end.code);
  channel.onmessage = ({ data }) => {
    heard.size += data.length;
    heard.bytes.push(...data.subarray(0, 100));
    if (data[0] === 248) {
      heard.fences.push([...data.slice(9, 13)]);
    }
  };
  heard.answer = () => {
    const number = heard.fences.shift();
    channel.send(Uint8Array.from([248, 0, 0, 0, 0, 0, 0, 0, 4, ...number]));
  };
  return heard;
}

test("it shakes hands as a server without a password does", () => {
  const channel = new ReplayChannel();
  const heard = listener(channel);
  assert.equal(channel.readyState, 0);
  channel.open(INIT);
  assert.equal(channel.readyState, 1);
  assert.equal(heard.opened, 1);
  assert.equal(String.fromCharCode(...heard.bytes.slice(0, 12)), "RFB 003.008\n");
  assert.deepEqual(heard.bytes.slice(12), [1, 1, 0, 0, 0, 0, 0, 1, 0, 1]);
});

test("it has all that noVNC asks of a channel", () => {
  const channel = new ReplayChannel();
  const names = [...Object.keys(channel), ...Object.getOwnPropertyNames(Object.getPrototypeOf(channel))];
  for (const name of ["send", "close", "binaryType", "onerror", "onmessage", "onopen", "protocol", "readyState"]) {
    assert.ok(names.includes(name), name);
  }
});

test("it waits for one who is slow, and no longer than needed", async () => {
  const channel = new ReplayChannel();
  const heard = listener(channel);
  channel.open(INIT);
  const half = new Uint8Array(1024 * 1024).fill(7);
  await channel.push(half);
  await channel.push(half);
  let done = false;
  const third = channel.push(half).then(() => {
    done = true;
  });
  await new Promise(setImmediate);
  assert.equal(done, false);
  heard.answer();
  await third;
  const fences = 3 * 13;
  assert.equal(heard.size, 12 + 6 + INIT.length + 3 * half.length + fences);
});

test("drawn means: answered after an update that waits for all images", async () => {
  const channel = new ReplayChannel();
  const heard = listener(channel);
  channel.open(INIT);
  heard.bytes.length = 0;
  let drawn = false;
  const waiting = channel.drawn().then(() => {
    drawn = true;
  });
  assert.deepEqual(heard.bytes.slice(0, 5), [0, 0, 0, 0, 248]);
  channel.send(Uint8Array.from([3, 1, 0, 0, 0, 0, 0, 1, 0, 1]));
  await new Promise(setImmediate);
  assert.equal(drawn, false);
  heard.answer();
  await waiting;
});

test("a closed one lets go of whoever waits, and says so once", async () => {
  const channel = new ReplayChannel();
  const heard = listener(channel);
  channel.open(INIT);
  const waiting = channel.drawn();
  channel.close();
  channel.close();
  await waiting;
  await channel.push(new Uint8Array(10 * 1024 * 1024));
  await channel.drawn();
  assert.deepEqual(heard.closed, [1000]);
  assert.equal(channel.readyState, 3);
});
