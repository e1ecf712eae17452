import assert from "node:assert/strict";
import { test } from "node:test";
import { supportText } from "./support.js";

const AT = new Date(Date.UTC(2026, 10, 30, 11, 20, 5));

test("the facts stand on a line each, with the cloud's request id", () => {
  const text = supportText({
    title: "RAM denies ecs:DescribeInstanceVncUrl",
    at: AT,
    page: "http://127.0.0.1:6080/console/web-1",
    instance: { id: "i-1", alias: "web-1", region: "cn-hangzhou" },
    viewer: "v-12",
    close: { code: 4502, reason: "upstream-refused: Forbidden.RAM" },
    last: {
      state: "closed",
      attempt: 1,
      error: { code: "Forbidden.RAM", action: "DescribeInstanceVncUrl", request_id: "4C46-1", text: "No." },
    },
  });
  assert.equal(
    text,
    [
      "vncproxy: RAM denies ecs:DescribeInstanceVncUrl",
      "Time: 2026-11-30T11:20:05.000Z",
      "Page: http://127.0.0.1:6080/console/web-1",
      "Instance: i-1 (web-1), cn-hangzhou",
      "Console’s state: closed",
      "Close code: 4502 upstream-refused: Forbidden.RAM",
      "Cloud’s code: Forbidden.RAM",
      "Action: ecs:DescribeInstanceVncUrl",
      "Request id: 4C46-1",
      "Error: No.",
      "Viewer: v-12",
    ].join("\n"),
  );
});

test("what isn't known is left out", () => {
  const text = supportText({ title: "No such instance", at: AT, page: "http://127.0.0.1/console/x" });
  assert.deepEqual(text.split("\n").length, 3);
});
