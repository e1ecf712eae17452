import assert from "node:assert/strict";
import { test } from "node:test";
import {
  admissionPath,
  consolePath,
  consolesPath,
  instanceOf,
  instancePath,
  onwardAddress,
  recordingOf,
  safeNext,
  socketUrl,
  viewerPath,
  wishesOf,
  withoutTake,
} from "./addresses.js";

const page = new URL("http://localhost:6080/console/web-1?take=1&view=1&junk=2");

test("the instance is the path's, and only the path's", () => {
  assert.equal(instanceOf("/console/web-1"), "web-1");
  assert.equal(instanceOf("/console/a%20b/"), "a b");
  assert.equal(instanceOf("/console/a/b"), "");
  assert.equal(instanceOf("/console/%"), "");
});

test("an instance is addressed by its alias, else by its id", () => {
  const named = { alias: "web/1", id: "i-1" };
  assert.equal(consolePath(named), "/console/web%2F1");
  assert.equal(instancePath(named, "screenshot?wake=1"), "/api/v1/instances/web%2F1/screenshot?wake=1");
  assert.equal(consolesPath({ alias: null, id: "i-1" }), "/api/v1/consoles/i-1");
  assert.equal(viewerPath(named, { id: "a/b" }), "/api/v1/consoles/web%2F1/viewers/a%2Fb");
});

test("wishes are passed on, anything else of the query isn't", () => {
  const wishes = wishesOf(page.search);
  assert.deepEqual(wishes, { view: true, take: true });
  assert.equal(admissionPath("web-1", wishes), "/api/v1/consoles/web-1/admission?view=1&take=1");
  assert.equal(withoutTake(page), "/console/web-1?view=1");
});

test("the sockets are on the page's own host, encrypted if the page is", () => {
  const none = { view: false, take: false };
  assert.equal(
    socketUrl(page, "websockify", "web-1", "t/1", none),
    "ws://localhost:6080/websockify/web-1?ticket=t%2F1&ahead=1",
  );
  const secure = new URL("https://vnc.example/console/web-1");
  assert.equal(
    socketUrl(secure, "control", "web-1", "t", { view: true, take: false }),
    "wss://vnc.example/control/web-1?ticket=t&language=en&view=1",
  );
});

test("an answer can't send the page to another site", () => {
  assert.equal(safeNext("/console/web-1"), "/console/web-1");
  assert.equal(safeNext("/"), "/");
  for (const bad of ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:0", "", null, 3]) {
    assert.equal(safeNext(bad), "/");
  }
});

test("a page goes on once, to an address that is one, and never out of https", () => {
  const here = new URL("https://one.example/console/web-1?view=1");
  const there = { url: "https://two.example", pass_on: true };
  const none = { view: false };
  assert.equal(onwardAddress(there, "web-1", { view: true }, here), "https://two.example/console/web-1?view=1&passed=1");
  assert.equal(
    onwardAddress({ ...there, url: "https://two.example//other" }, "web-1", none, here),
    "https://two.example//other/console/web-1?passed=1",
  );
  assert.equal(
    onwardAddress({ ...there, url: "https://two.example:8443/vnc/" }, "a b/c", none, here),
    "https://two.example:8443/vnc/console/a%20b%2Fc?passed=1",
  );
  const plain = new URL("http://localhost:1/console/web-1");
  assert.equal(onwardAddress({ ...there, url: "http://h:2" }, "x", none, plain), "http://h:2/console/x?passed=1");
  const passed = new URL("https://one.example/console/web-1?passed=1");
  assert.equal(onwardAddress(there, "web-1", none, passed), "");
  assert.equal(onwardAddress({ ...there, pass_on: false }, "web-1", none, here), "");
  for (const nothing of [null, undefined, { pass_on: true, url: null }]) {
    assert.equal(onwardAddress(nothing, "web-1", none, here), "");
  }
  for (const bad of [
    "http://two.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "//two.example",
    "two.example",
    "https://user@two.example",
    "https://user:secret@two.example",
    "https://two.example/?q",
    "https://two.example/#f",
    "https://",
    "wss://two.example",
  ]) {
    assert.equal(onwardAddress({ url: bad, pass_on: true }, "web-1", none, here), "", bad);
  }
});

test("a recording’s name comes from the page’s address", () => {
  assert.equal(recordingOf("/replay/a%20b.vncrec"), "a b.vncrec");
  assert.deepEqual([recordingOf("/"), recordingOf("/replay/"), recordingOf("/replay/a/b"), recordingOf("/replay/%ff")], ["", "", "", ""]);
});
