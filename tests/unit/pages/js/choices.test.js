import assert from "node:assert/strict";
import { test } from "node:test";
import { recall, remember } from "./choices.js";

/** A browser's storage; full: it takes nothing more. */
class Storage {
  full = false;
  kept = new Map();

  getItem(name) {
    return this.kept.get(name) ?? null;
  }

  setItem(name, value) {
    if (this.full) {
      throw new Error("QuotaExceededError");
    }
    this.kept.set(name, value);
  }
}

test("a choice that the browser doesn't take lasts as long as the page", (context) => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  const storage = new Storage();
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true, writable: true });
  context.after(() => {
    delete globalThis.localStorage;
    if (before) {
      Object.defineProperty(globalThis, "localStorage", before);
    }
  });
  assert.equal(remember("size", "fit"), true);
  storage.full = true;
  assert.equal(remember("size", "drag"), false);
  assert.equal(recall("size"), "drag");
  storage.full = false;
  assert.equal(remember("size", "scroll"), true);
  storage.kept.set("vncproxy.size", "fit");
  assert.equal(recall("size"), "fit");
  assert.equal(recall("nothing"), null);
});
