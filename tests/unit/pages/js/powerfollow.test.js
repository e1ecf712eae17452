import assert from "node:assert/strict";
import { test } from "node:test";
import { followPower } from "./powerfollow.js";

const UNDER_WAY = { under_way: { action: "restart", force: false, seconds: 1 }, ended: null };
const DONE = { under_way: null, ended: { action: "restart", force: false, done: true, text: "" } };

/** A daemon that answers with these states, or refuses with these statuses, and then no more. */
async function followed(...answers) {
  const notices = [];
  let asked = 0;
  const runs = await followPower("web-1", {
    ask: async () => {
      const answer = answers[asked];
      asked += 1;
      if (typeof answer === "number") {
        throw Object.assign(new Error("refused"), { status: answer });
      }
      return answer;
    },
    sleep: async () => assert.ok(asked < answers.length, "asked once too often"),
    wanted: () => true,
    notice: (level, text) => notices.push([level, text]),
  });
  return { runs, asked, notices };
}

test("each status is told once, and the end", async () => {
  const stopping = { ...UNDER_WAY, status: "Stopping" };
  const { runs, notices } = await followed(stopping, stopping, { ...UNDER_WAY, status: "Starting" }, { ...DONE, status: "Running" });
  assert.equal(runs, true);
  assert.deepEqual(notices.map(([, text]) => text), ["web-1 is Stopping.", "web-1 is Starting.", "web-1 is Running."]);
});

test("what failed is a warning, and doesn't run", async () => {
  const ended = { ...DONE.ended, done: false, text: "It is still Stopping." };
  const { runs, notices } = await followed({ under_way: null, ended, status: "Stopping" });
  assert.deepEqual([runs, notices], [false, [["warning", "It is still Stopping."]]]);
});

test("where asking again is of no use, it ends", async () => {
  for (const status of [401, 403, 404]) {
    assert.deepEqual(await followed(status), { runs: false, asked: 1, notices: [] });
  }
});

test("a daemon that is away is asked again", async () => {
  const { runs, asked } = await followed(0, 503, 429, { ...DONE, status: "Running" });
  assert.deepEqual([runs, asked], [true, 4]);
});

test("nothing more is asked once something else is followed", async () => {
  const how = { ask: () => assert.fail("asked"), sleep: async () => {}, wanted: () => false, notice: () => assert.fail("told") };
  assert.equal(await followPower("web-1", how), false);
});
