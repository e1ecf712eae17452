import assert from "node:assert/strict";
import { test } from "node:test";
import { endOfAdmission, endOfSession, withWayThere } from "./endings.js";

test("a refusal of the cloud has the fact as its title, then what to do, and its codes", () => {
  const close = { code: 4502, reason: "upstream-refused: IncorrectInstanceStatus" };
  const error = { code: "IncorrectInstanceStatus", text: "It has none.", request_id: "4C46-1" };
  const ending = endOfSession(close, { state: "closed", instance_status: "Stopped", error });
  assert.deepEqual([ending.title, ending.text, ending.retry], ["The instance is stopped", "Start it.", "never"]);
  assert.equal(ending.codes, "IncorrectInstanceStatus\nrequest 4C46-1");
  assert.match(ending.next, /try again once the instance is starting/);
  const denied = endOfSession({ code: 4502, reason: "upstream-refused: Forbidden.RAM" }, null);
  assert.equal(denied.title, "RAM denies ecs:DescribeInstanceVncUrl");
  assert.match(denied.next, /Nothing is tried again/);
});

test("an error that is another's isn't told with the code of the end", () => {
  const error = { code: "Throttling", text: "Too often.", request_id: "4C46-1" };
  const ending = endOfSession({ code: 4502, reason: "upstream-refused: Brand.New" }, { state: "closed", error });
  assert.equal(ending.codes, "Brand.New");
  assert.doesNotMatch(ending.text, /Too often/);
});

test("a hop that refuses isn't the cloud, and the daemon's own words say what to do", () => {
  const why = "The proxy that HTTPS_PROXY names (10.0.0.9:3128) refused the user or the password (HTTP 407).";
  const close = { code: 4502, reason: "upstream-refused: ProxyRefused" };
  const ending = endOfSession(close, { state: "closed", error: { code: "ProxyRefused", text: why } });
  assert.deepEqual([ending.title, ending.text, ending.retry, ending.codes], ["The proxy refused", why, "never", ""]);
});

test("after throttling the page comes back by itself, at the time that it names", () => {
  const until_ms = new Date(2026, 0, 2, 12, 3, 20).getTime();
  const error = { code: "Throttling.User", text: "Too often." };
  const close = { code: 4502, reason: "upstream-refused: Throttling.User" };
  const ending = endOfSession(close, { state: "closed", wait_s: 42, error }, { until_ms });
  assert.deepEqual(
    [ending.title, ending.retry, ending.after_s],
    ["Throttled by the cloud until 12:03:20", "after", 42],
  );
});

test("nothing is lost or ended that hadn't begun", () => {
  const words = (code, began) => {
    const { title, text } = endOfSession({ code, reason: "" }, null, { began });
    return `${title} ${text}`;
  };
  for (const code of [1000, 4403, 4504]) {
    assert.doesNotMatch(words(code, false), /was ended|was closed|was lost/, String(code));
    assert.match(words(code, true), /was ended|was closed|was lost/, String(code));
  }
});

test("the daemon's wait is kept for a throttled console", () => {
  const ending = endOfSession({ code: 4429, reason: "throttled" }, { state: "closed", wait_s: 41 });
  assert.equal(ending.after_s, 41);
  assert.match(ending.title, /connections of the last minute are used up/);
  const budget = { limit: 29, counts_for: "instance" };
  const told = endOfSession({ code: 4429, reason: "throttled" }, { state: "closed", wait_s: 41, budget });
  assert.equal(told.title, "This instance used its 29 connections of the last minute");
  assert.equal(ending.retry, "after");
});

test("a silent end of an opaque console is noVNC's own, which knows the server no better", () => {
  const ending = endOfSession({ code: 1000, reason: "" }, { state: "closed", opaque: true });
  assert.match(ending.title, /can’t be shown/);
  assert.match(ending.detail, /console\.opaque/);
  assert.doesNotMatch(ending.text, /browser’s console/);
  assert.notEqual(endOfSession({ code: 1000, reason: "" }, { state: "closed", opaque: false }).title, ending.title);
});

test("an end without any message still has words", () => {
  const ending = endOfSession({ code: 1006, reason: "" }, null);
  assert.ok(ending.title && ending.text);
  assert.equal(ending.retry, "backoff");
});

test("an unknown instance leads back to the list, a limit is waited out", () => {
  const error = { text: "", retryAfter_s: null };
  assert.equal(endOfAdmission({ ...error, status: 404 }).action, "list");
  const limited = endOfAdmission({ ...error, status: 429, retryAfter_s: 7 });
  assert.deepEqual([limited.retry, limited.after_s, limited.button], ["after", 7, "Try now"]);
});

test("what the daemon says of the last failure is told with the end", () => {
  const last = { state: "closed", error: { code: null, text: "The gateway refused the connection." } };
  assert.equal(endOfSession({ code: 4504, reason: "upstream-lost" }, last).detail, "The gateway refused the connection.");
});

test("what was wrong with the link isn't told of an end that it wasn't the cause of", () => {
  const last = { state: "password", error: { code: null, text: "This instance asks for its VNC password." } };
  for (const code of [1012, 4403, 4408, 4410, 4413]) {
    assert.equal(endOfSession({ code, reason: "" }, last).detail, "", String(code));
  }
});

test("access that the rules don't give any more ends with the daemon's own words", () => {
  const why = "You may open this console only mon-fri 08:00-18:00 (rule 2).";
  const close = { code: 4403, reason: "kicked" };
  const ending = endOfSession(close, { state: "running" }, { said: why });
  assert.deepEqual([ending.text, ending.retry, ending.title], [why, "never", "Your session was ended"]);
  assert.match(endOfSession(close, null).text, /administrator/);
  assert.doesNotMatch(endOfSession({ code: 1012, reason: "restarting" }, null, { said: why }).text, /rule 2/);
});

test("a session whose recording is as long as one may be says so, one that only lasted has its own words", () => {
  const close = { code: 4410, reason: "session-limit" };
  const why = "The recording of this session is as long as one may be.";
  assert.deepEqual([endOfSession(close, null, { said: why }).text, endOfSession(close, null, { said: why }).action], [why, "again"]);
  assert.match(endOfSession(close, null).text, /session_max_age/);
});

test("the last picture stays where the same person goes on, and nowhere else", () => {
  const kept = (code) => endOfSession({ code, reason: "" }, null).picture;
  assert.deepEqual([4403, 4408, 4410].map(kept), [false, false, false]);
  assert.deepEqual([1006, 1012, 4429, 4504].map(kept), [true, true, true, true]);
  assert.equal(endOfSession({ code: 4403, reason: "" }, null, { said: "You logged out." }).picture, false);
  const refused = (status) => endOfAdmission({ status, text: "", retryAfter_s: null }).picture;
  assert.deepEqual([401, 403, 404, 429, 0].map(refused), [false, false, false, true, true]);
});

test("where another daemon has the console, its page there is the way on", () => {
  const text = "Another vncproxy has this console: bastion-2. Open it there: https://two.example";
  const ending = endOfAdmission({ status: 409, word: "elsewhere", text, retryAfter_s: null });
  const there = { name: "bastion-2", url: "https://two.example/vnc/" };
  const onward = withWayThere(ending, there, "web 1");
  assert.equal(onward.title, "Another vncproxy has this console");
  assert.match(onward.text, /^It is open at bastion-2\./);
  assert.doesNotMatch(onward.text, /Another vncproxy/);
  assert.deepEqual([onward.detail, onward.link], ["", "https://two.example/vnc/console/web%201"]);
  for (const url of [null, "javascript:alert(1)", "two.example", "https://user:x@two.example"]) {
    assert.equal(withWayThere(ending, { ...there, url }, "web-1").link, "");
  }
  assert.equal(withWayThere(ending, null, "web-1"), ending);
});
