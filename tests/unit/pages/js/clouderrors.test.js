import assert from "node:assert/strict";
import { test } from "node:test";
import { cloudErrorText, cloudFact } from "./clouderrors.js";

const fact = (code, more) => cloudFact({ code }, more).title;

test("the title is the fact, by the beginning of the code", () => {
  assert.equal(fact("Forbidden.RAM"), "RAM denies ecs:DescribeInstanceVncUrl");
  assert.equal(cloudFact({ code: "Forbidden.RAM", action: "DescribeInstances" }).title, "RAM denies ecs:DescribeInstances");
  assert.equal(fact("InvalidAccessKeyId.Inactive"), "The AccessKey is disabled");
  assert.equal(fact("Forbidden.AccessKeyDisabled"), "The AccessKey is disabled");
  assert.equal(fact("InvalidAccessKeyId.NotFound"), "The cloud doesn’t know the AccessKey");
  assert.equal(fact("InvalidInstanceId.NotFound"), "The cloud knows no such instance");
});

test("a locked instance is the fact, and who says more", () => {
  const { title, text } = cloudFact({ code: "InstanceLockedForSecurity", text: "The daemon’s words." });
  assert.equal(title, "The instance is locked for security");
  assert.match(text, /ECS console says why/);
});

test("an instance's state is the fact where it has no console", () => {
  const code = "IncorrectInstanceStatus";
  assert.equal(fact(code, { status: "Stopped" }), "The instance is stopped");
  assert.equal(fact(code, { status: "Starting" }), "The instance is starting");
  assert.equal(fact(code, { status: null }), "The instance has no console in its present state");
  assert.match(fact("Forbidden.RAM", { status: "Stopped" }), /RAM denies/);
});

test("throttling says until when, where that is known", () => {
  const until_ms = new Date(2026, 0, 2, 12, 3, 20).getTime();
  assert.equal(fact("Throttling.User", { until_ms }), "Throttled by the cloud until 12:03:20");
  assert.equal(fact("Throttling"), "Throttled by the cloud");
});

test("the cloud's code and its request id are told, a word of vncproxy's own isn't one", () => {
  const request_id = "4C467B38-3910-447D-87BC-AC049166F216";
  assert.equal(cloudFact({ code: "Throttling", request_id }).codes, `Throttling\nrequest ${request_id}`);
  assert.equal(cloudFact({ code: "Brand.New", text: "The daemon’s words." }).codes, "Brand.New");
  const ours = cloudFact({ code: "ProxyRefused", text: "it refused the password" });
  assert.deepEqual([ours.title, ours.text, ours.codes], ["The proxy refused", "It refused the password.", ""]);
});

test("an unknown code is told in the daemon's words", () => {
  const { title, text } = cloudFact({ code: "Brand.New", text: "The daemon’s words." });
  assert.deepEqual([title, text], ["The cloud answered with an error", "The daemon’s words."]);
  assert.match(cloudFact({ code: "Brand.New" }).text, /vncproxy check/);
});

test("without a title it is one text", () => {
  assert.match(
    cloudErrorText({ code: "Forbidden.RAM", action: "DescribeInstances" }),
    /^RAM denies ecs:DescribeInstances\. The RAM policy .* \(Forbidden\.RAM\)$/,
  );
  assert.equal(cloudErrorText({ code: null, text: "the gateway closed it" }), "The gateway closed it.");
});
