import assert from "node:assert/strict";
import { test } from "node:test";
import { Finder, statusOf } from "./finding.js";

const ALL = { words: "", region: "", status: "", open: false };
const NOTHING = { favourites: [], used: {} };

function instance(alias, more = {}) {
  return { alias, id: `i-${alias}`, name: "", region: "cn-a", status: "Running", state: null, tags: {}, ...more };
}

function finder(...instances) {
  const made = new Finder();
  made.instances = instances;
  return made;
}

const aliases = (found) => found.map(({ alias }) => alias);

const SHOP = finder(
  instance("web-2", { tags: { team: "shop" } }),
  instance("web-10", { region: "cn-b", status: "Stopped" }),
  instance("db", { name: "Shop base 上海", state: "running" }),
  instance("gone", { status: null, missing: true }),
);

test("all words have to be somewhere, in any case", () => {
  const found = (words) => aliases(SHOP.found({ ...ALL, words }, NOTHING));
  assert.deepEqual(found("TEAM=shop"), ["web-2"]);
  assert.deepEqual(found("shop"), ["db", "web-2"]);
  assert.deepEqual(found("web cn-b"), ["web-10"]);
  assert.deepEqual(found("上海"), ["db"]);
  assert.deepEqual(found("i-gone"), ["gone"]);
  assert.deepEqual(found("web nothing"), []);
});

test("a whole name comes before a beginning, that before the rest", () => {
  const many = finder(instance("my-web"), instance("web-1"), instance("web"));
  assert.deepEqual(aliases(many.found({ ...ALL, words: "web" }, NOTHING)), ["web", "web-1", "my-web"]);
});

test("without words favourites come first, then what was used last, then by name", () => {
  const memory = { favourites: ["i-gone"], used: { "i-web-10": 20, "i-db": 30 } };
  assert.deepEqual(aliases(SHOP.found(ALL, memory)), ["gone", "db", "web-10", "web-2"]);
  assert.deepEqual(aliases(SHOP.found(ALL, NOTHING)), ["db", "gone", "web-2", "web-10"]);
});

test("filters go by region, state and what is open", () => {
  assert.deepEqual(aliases(SHOP.found({ ...ALL, region: "cn-b" }, NOTHING)), ["web-10"]);
  assert.deepEqual(aliases(SHOP.found({ ...ALL, status: "Stopped" }, NOTHING)), ["web-10"]);
  assert.deepEqual(aliases(SHOP.found({ ...ALL, status: "missing" }, NOTHING)), ["gone"]);
  assert.deepEqual(aliases(SHOP.found({ ...ALL, open: true }, NOTHING)), ["db"]);
  assert.deepEqual(SHOP.regions, ["cn-a", "cn-b"]);
  assert.deepEqual(SHOP.statuses, ["Running", "Stopped", "missing"]);
});

test("a state that isn't known is one, an instance that the cloud doesn't know another", () => {
  assert.equal(statusOf({ status: null }), "unknown");
  assert.equal(statusOf({ status: null, missing: true }), "missing");
});

test("thousands are looked through in no time that a person notices", () => {
  const many = finder(...Array.from({ length: 2000 }, (_, at) => instance(`host-${at}`)));
  assert.deepEqual(aliases(many.found({ ...ALL, words: "host-1234" }, NOTHING)), ["host-1234"]);
  assert.equal(many.found(ALL, NOTHING).length, 2000);
});
