import assert from "node:assert/strict";
import { test } from "node:test";
import { like, memory, use } from "./remembered.js";

function storage(kept = {}) {
  globalThis.localStorage = {
    getItem: (key) => kept[key] ?? null,
    setItem: (key, value) => {
      kept[key] = value;
    },
  };
  return kept;
}

test("favourites come and go", () => {
  storage();
  like("i-1", true);
  like("i-2", true);
  like("i-1", true);
  assert.deepEqual(memory().favourites, ["i-2", "i-1"]);
  like("i-2", false);
  assert.deepEqual(memory().favourites, ["i-1"]);
});

test("what was used last is kept, the oldest of very many isn't", () => {
  storage();
  for (let at = 1; at <= 501; at += 1) {
    use(`i-${at}`, at);
  }
  const { used } = memory();
  assert.deepEqual([Object.keys(used).length, used["i-1"], used["i-501"]], [500, undefined, 501]);
});

test("what somebody else has put there harms nothing", () => {
  for (const text of ["{", "null", "7", '"x"']) {
    storage({ "vncproxy.favourites": text, "vncproxy.used": text });
    assert.deepEqual(memory(), { favourites: [], used: {} });
  }
  storage({ "vncproxy.favourites": "{}", "vncproxy.used": "[]" });
  assert.deepEqual(memory(), { favourites: [], used: {} });
});

test("a browser that keeps nothing is no hindrance: it is remembered as long as the page", () => {
  globalThis.localStorage = {
    getItem() {
      throw new Error("denied");
    },
    setItem() {
      throw new Error("full");
    },
  };
  like("i-1", true);
  use("i-1", 1);
  assert.deepEqual(memory(), { favourites: ["i-1"], used: { "i-1": 1 } });
});
