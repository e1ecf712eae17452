import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { admission } from "./admission.js";

const before = { document: globalThis.document, fetch: globalThis.fetch, performance: globalThis.performance };
const none = { view: false, take: false };

/** A page with this in it, at so many milliseconds, and a daemon that answers; gives what it was asked. */
function page(content, now_ms = 1_000) {
  const asked = [];
  let place = {
    content,
    remove: () => {
      place = null;
    },
  };
  globalThis.document = { querySelector: (selector) => (selector.includes("admission") ? place : null) };
  Object.defineProperty(globalThis, "performance", { value: { now: () => now_ms }, configurable: true, writable: true });
  globalThis.fetch = async (path) => {
    asked.push(path);
    return { ok: true, text: async () => '{"ticket":"asked"}' };
  };
  return asked;
}

afterEach(() => {
  globalThis.document = before.document;
  globalThis.fetch = before.fetch;
  Object.defineProperty(globalThis, "performance", { value: before.performance, configurable: true, writable: true });
});

test("what is in the page is used once", async () => {
  const asked = page('{"ticket":"given"}');
  assert.deepEqual(await admission("web-1", none), { ticket: "given" });
  assert.deepEqual(asked, []);
  assert.deepEqual(await admission("web-1", none), { ticket: "asked" });
  assert.deepEqual(asked, ["/api/v1/consoles/web-1/admission"]);
});

test("nothing, an old one or half of one is asked for", async () => {
  for (const [content, now_ms] of [["", 1], ['{"ticket":"given"}', 30_001], ['{"tick', 1]]) {
    const asked = page(content, now_ms);
    assert.deepEqual(await admission("web-1", { view: true, take: false }), { ticket: "asked" });
    assert.deepEqual(asked, ["/api/v1/consoles/web-1/admission?view=1"]);
  }
});
