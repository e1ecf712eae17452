import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { admission } from "./admission.js";

const realTimers = { setTimeout };
const before = { WebSocket: globalThis.WebSocket, document: globalThis.document, fetch: globalThis.fetch, performance: globalThis.performance };
const none = { view: false, take: false };

/** A WebSocket of a page that has no script yet, as loading.js leaves it. */
class EarlyStream {
  static OPEN = 1;
  closed = false;
  #heed = null;

  constructor(readyState) {
    this.readyState = readyState;
    this.came = [];
    this.onmessage = (event) => this.came.push(event);
  }

  get onmessage() {
    return this.#heed;
  }

  set onmessage(heed) {
    this.#heed = heed;
  }

  say(data) {
    this.#heed({ data });
  }

  close() {
    this.closed = true;
  }
}

/** A page with this in it, at so many milliseconds, and a daemon that answers; gives what it was asked. */
function page(content, { now_ms = 1_000, stream = new EarlyStream(1), end = null } = {}) {
  const asked = [];
  let place = {
    content,
    remove: () => {
      place = null;
    },
  };
  globalThis.WebSocket = EarlyStream;
  globalThis.vncproxyStream = stream ? { stream, came: stream.came, end } : undefined;
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
  globalThis.WebSocket = before.WebSocket;
  Object.defineProperty(globalThis, "performance", { value: before.performance, configurable: true, writable: true });
});

test("what is in the page is used once, with its WebSocket", async () => {
  const stream = new EarlyStream(0);
  const asked = page('{"ticket":"given"}', { stream });
  const given = await admission("web-1", none);
  assert.deepEqual([given.ticket, given.early.stream, given.early.end], ["given", stream, null]);
  assert.deepEqual(asked, []);
  assert.deepEqual(await admission("web-1", none), { ticket: "asked" });
  assert.deepEqual(asked, ["/api/v1/consoles/web-1/admission"]);
});

test("messages that came early are heeded in their order, and none is lost meanwhile", async () => {
  const stream = new EarlyStream(1);
  page('{"ticket":"given"}', { stream });
  stream.say("first");
  const given = await admission("web-1", none);
  stream.say("second");
  const heard = [];
  given.early.stream.onmessage = ({ data }) => heard.push(data);
  stream.say("third");
  assert.deepEqual(heard, []);
  await new Promise((done) => {
    realTimers.setTimeout(done, 5);
  });
  stream.say("fourth");
  assert.deepEqual(heard, ["first", "second", "third", "fourth"]);
});

test("how its WebSocket has ended is handed over", async () => {
  const end = { code: 4502, reason: "upstream-refused" };
  page('{"ticket":"given"}', { stream: new EarlyStream(3), end });
  assert.deepEqual((await admission("web-1", none)).early.end, end);
});

test("an old one, or one without its WebSocket, is asked for anew", async () => {
  for (const how of [{ now_ms: 30_001 }, { stream: null }]) {
    const asked = page('{"ticket":"given"}', how);
    const early = globalThis.vncproxyStream?.stream;
    assert.deepEqual(await admission("web-1", { view: true, take: false }), { ticket: "asked" });
    assert.deepEqual(asked, ["/api/v1/consoles/web-1/admission?view=1"]);
    assert.equal(early?.closed ?? true, true);
  }
});
