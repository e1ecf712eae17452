import assert from "node:assert/strict";
import { test } from "node:test";
import { namesOf, peopleOn } from "./people.js";

const viewer = (id, user) => ({ id, user, from: "127.0.0.1", role: "watch" });

test("the bar is hidden while the only viewer has control", () => {
  const on = peopleOn({ you: "v-1", controller: "v-1", viewers: [viewer("v-1", "ann")] });
  assert.equal(on.visible, false);
});

test("the bar is shown to one who only watches, and names who has control", () => {
  const viewers = [viewer("v-1", "ann"), viewer("v-2", "bob")];
  const on = peopleOn({ you: "v-1", controller: "v-2", viewers });
  assert.equal(on.visible, true);
  assert.equal(on.youControl, false);
  assert.equal(on.controllerName, "bob");
  assert.deepEqual(on.others.map(({ id }) => id), ["v-2"]);
});

test("a console without a controller has no name for it", () => {
  const on = peopleOn({ you: "v-1", controller: null, viewers: [viewer("v-1", "ann")] });
  assert.equal(on.visible, true);
  assert.equal(on.controllerName, null);
});

test("who asks for control is told apart from who doesn't", () => {
  const viewers = [viewer("v-1", "ann"), { ...viewer("v-2", "bob"), asks: true }, viewer("v-3", "cid")];
  const on = peopleOn({ you: "v-1", controller: "v-1", viewers });
  assert.deepEqual(on.asking.map(({ id }) => id), ["v-2"]);
  assert.equal(on.youAsk, false);
  assert.equal(peopleOn({ you: "v-2", controller: "v-1", viewers }).youAsk, true);
});

test("control can be given to others who may have it, by whoever has it", () => {
  const may = (id, allowed) => ({ ...viewer(id, id), may_control: allowed });
  const viewers = [may("v-1", true), may("v-2", false), may("v-3", true)];
  assert.deepEqual(peopleOn({ you: "v-1", controller: "v-1", viewers }).mayGet, ["v-3"]);
  assert.deepEqual(peopleOn({ you: "v-3", controller: "v-1", viewers }).mayGet, []);
});

test("viewers of one user are told apart", () => {
  const names = namesOf([viewer("v-1", "ann"), viewer("v-2", "bob"), viewer("v-3", "ann")]);
  assert.deepEqual([...names.values()], ["ann 1", "bob", "ann 2"]);
});
