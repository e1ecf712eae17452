import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { constants, createDeflate } from "node:zlib";
import { mendReset } from "./inflatereset.js";

const INFLATOR = "./novnc/core/inflator.js";
const TEXT = Buffer.from("the second rectangle refers back to the first ".repeat(40));

/** A zlib stream in two pieces, the second of which refers back to the first. */
async function twoPieces() {
  const stream = createDeflate();
  const pieces = [];
  for (let piece = 0; piece < 2; piece += 1) {
    stream.write(TEXT);
    await new Promise((done) => stream.flush(constants.Z_SYNC_FLUSH, done));
    pieces.push(stream.read());
  }
  stream.destroy();
  assert.ok(pieces[1].length < pieces[0].length);
  return pieces;
}

function inflated(inflater, data) {
  inflater.setInput(new Uint8Array(data));
  const bytes = Buffer.from(inflater.inflate(TEXT.length));
  inflater.setInput(null);
  return bytes;
}

test("a stream goes on after each of several resets", { skip: !existsSync(new URL(INFLATOR, import.meta.url)) }, async () => {
  const { default: Inflate } = await import(INFLATOR);
  mendReset(Inflate);
  const inflater = new Inflate();
  for (let link = 0; link < 3; link += 1) {
    inflater.reset();
    for (const piece of await twoPieces()) {
      assert.deepEqual(inflated(inflater, piece), TEXT);
    }
  }
});
