import assert from "node:assert/strict";
import { test } from "node:test";
import { consolePath, instanceOf, safeNext, socketUrl } from "./addresses.js";
import { basePath, below } from "./basepath.js";

/** A document whose page says this base path. */
function under(content, run) {
  const before = globalThis.document;
  globalThis.document = {
    querySelector: (selector) => (selector === 'meta[name="base-path"]' ? { content } : null),
  };
  try {
    run();
  } finally {
    globalThis.document = before;
  }
}

test("without a base path addresses are at the root", () => {
  assert.equal(basePath(), "");
  under("", () => assert.equal(below("/admin"), "/admin"));
});

test("below a path every address of the browser begins with it", () => {
  under("/vnc", () => {
    const page = new URL("https://h.example/vnc/console/web-1");
    const none = { view: false, take: false };
    assert.equal(below("/"), "/vnc/");
    assert.equal(consolePath({ alias: "web-1", id: "i-1" }), "/vnc/console/web-1");
    assert.equal(safeNext("/console/web-1"), "/vnc/console/web-1");
    assert.equal(safeNext("https://evil.example/"), "/vnc/");
    assert.equal(
      socketUrl(page, "control", "web-1", "t", none),
      "wss://h.example/vnc/control/web-1?ticket=t&language=en",
    );
  });
});

test("which instance a page shows", () => {
  under("/vnc", () => {
    assert.equal(instanceOf("/vnc/console/web-1"), "web-1");
    // Who reaches the daemon beside the proxy.
    assert.equal(instanceOf("/console/web-1"), "web-1");
    assert.equal(instanceOf("/vncx/console/web-1"), "");
    assert.equal(instanceOf("/other/console/web-1"), "");
  });
});
