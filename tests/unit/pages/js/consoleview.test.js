import assert from "node:assert/strict";
import { test } from "node:test";
import { consoleView, endConsoleWords, endViewerWords, summary } from "./consoleview.js";

const NO_FLOW = { bytes: 0, bytes_per_s: 0 };

function viewer(more = {}) {
  return {
    id: "v-1", user: "ann", from: "203.0.113.7", role: "watch", asks: false, age_s: 65,
    identity: "cookie", door: "users", rule: "rule 2", native: false, may_control: true,
    record: false, recorded: false, input_age_s: null, to_viewer: NO_FLOW, from_viewer: NO_FLOW,
    ...more,
  };
}

function row(more = {}) {
  return {
    instance: "i-1", alias: "web-1", name: "", windows: false, region: "cn-test", state: "running",
    age_s: 3720, link_age_s: 61, keepalive: "any", keepalive_why: "nothing speaks against it",
    saved: { dials_avoided: 0, losses_survived: 0 }, text: "Connected.", wait_s: null, error: null,
    opaque: false, recorded: false, link: "ab-1", links: 1, from_cloud: NO_FLOW, to_cloud: NO_FLOW,
    budget: { used: 3, limit: 29, left: 26, window_s: 61, next_free_s: 0, counts_for: "instance" },
    budget_problem: null, viewers: [], ...more,
  };
}

function fact(view, term) {
  return view.facts.find((one) => one.term === term);
}

test("a console that runs has nothing to complain about", () => {
  const view = consoleView(row());
  assert.deepEqual([view.id, view.title, view.place], ["i-1", "web-1", "i-1 · cn-test"]);
  assert.deepEqual([view.state, view.tone, view.troubles], ["Connected", "good", []]);
  assert.deepEqual(fact(view, "Connection to the cloud"), {
    term: "Connection to the cloud", text: "Up for 1 min", note: "ab-1",
  });
  assert.equal(fact(view, "Keepalive").note, "Nothing speaks against it.");
  assert.equal(fact(view, "Open").note, "");
});

test("what holding the link saved is counted, and how many links there were", () => {
  const view = consoleView(row({ links: 3, saved: { dials_avoided: 1, losses_survived: 2 } }));
  assert.equal(fact(view, "Open").note, "2 losses survived, 1 viewer found it open");
  assert.equal(fact(view, "Connection to the cloud").note, "ab-1, 3 connections so far");
});

test("a wait, an error of the cloud and a ledger that fails are told in sentences", () => {
  const view = consoleView(row({
    state: "waiting-budget", text: "Waiting for a permit.", wait_s: 41.2, link: null, link_age_s: null,
    error: { code: "Throttling.User", text: "" }, budget: null, budget_problem: "the disk is full",
  }));
  assert.equal(view.tone, "warn");
  assert.match(view.troubles[0], /^Waiting for a permit\. It goes on in 42 s\.$/);
  assert.match(view.troubles[1], /^The last try failed\. .*Throttling\.User/);
  assert.match(view.troubles[2], /isn’t known\. The disk is full\.$/);
  assert.equal(view.budget, null);
  assert.equal(fact(view, "Connection to the cloud").text, "None at the moment");
});

test("a console that never had a connection resumes nothing, and its instance's state is told", () => {
  const error = { code: "IncorrectInstanceStatus", text: "It has no console.", request_id: null };
  const down = { state: "resuming", text: "The next try follows.", wait_s: 2, error, instance_status: "Stopped" };
  const never = consoleView(row({ ...down, links: 0 }));
  assert.equal(never.state, "Trying again");
  assert.match(never.troubles[1], /^The last try failed\. The instance is stopped\. Start it\./);
  assert.equal(consoleView(row({ ...down, links: 1 })).state, "Resuming");
});

test("an opaque console says so, and has no keepalive", () => {
  const view = consoleView(row({ state: "opaque", opaque: true, text: "Bytes are passed on." }));
  assert.deepEqual(view.troubles, ["Bytes are passed on."]);
  assert.match(fact(view, "Keepalive").text, /^None/);
});

test("what the budget has left is told with whom it counts for, and when the next is free", () => {
  const shown = (more) => consoleView(row({ budget: { ...row().budget, ...more } })).budget;
  assert.deepEqual([shown({}).text, shown({}).tone], ["26 of 29 left", "good"]);
  assert.match(shown({}).scope, /in a minute, for this instance$/);
  assert.equal(shown({ left: 5 }).tone, "warn");
  const full = shown({ left: 0, next_free_s: 12.1, counts_for: "account" });
  assert.deepEqual([full.text, full.tone], ["0 of 29 left, the next one in 13 s", "bad"]);
  assert.match(full.scope, /whole account$/);
});

test("a console that waits is told with its own wait, and with no other time", () => {
  const budget = { ...row().budget, left: 0, next_free_s: 55 };
  const waiting = row({ state: "waiting-budget", text: "Waiting.", wait_s: 46, budget });
  const view = consoleView(waiting);
  assert.deepEqual(view.troubles, ["Waiting. It goes on in 46 s."]);
  assert.equal(view.budget.text, "0 of 29 left");
});

test("viewers are told apart, with what let them in", () => {
  const { viewers } = consoleView(row({
    viewers: [
      viewer({ role: "control", input_age_s: 3.4 }),
      viewer({ id: "v-2", asks: true }),
      viewer({ id: "v-3", user: "tv", native: true, identity: "vnc-password", rule: null, door: "web-1" }),
      viewer({ id: "v-4", user: "eve", native: true, identity: "peer+vnc-password" }),
      viewer({ id: "v-5", user: "anyone", identity: "open", rule: null }),
    ],
  }));
  assert.deepEqual(viewers.map(({ name }) => name), ["ann 1", "ann 2", "tv", "eve", "anyone"]);
  assert.deepEqual(viewers.map(({ role }) => role), ["In control", ...Array(4).fill("Watching")]);
  assert.deepEqual(viewers.map(({ input }) => input).slice(0, 2), ["3 s ago", "none yet"]);
  assert.equal(viewers[0].letIn, "By a log-in, rule 2, door “users”");
  assert.equal(viewers[2].letIn, "By the port’s password, in a VNC program, door “web-1”");
  assert.equal(viewers[3].letIn, "By the account and the port’s password, in a VNC program, rule 2, door “users”");
  assert.equal(viewers[4].letIn, "Without a proof, door “users”");
});

test("a session that should be recorded and isn't stands out", () => {
  const view = consoleView(row({ viewers: [viewer({ record: true, recorded: false })] }));
  assert.match(view.troubles[0], /session of ann should be recorded/);
  assert.equal(view.viewers[0].recorded, false);
  assert.equal(consoleView(row({ viewers: [viewer({ record: true, recorded: true })] })).viewers[0].recorded, true);
});

test("what is open is counted", () => {
  assert.equal(summary([consoleView(row({ viewers: [viewer()] }))]), "1 console, 1 viewer");
  assert.equal(summary([consoleView(row()), consoleView(row())]), "2 consoles, 0 viewers");
});

test("before a session is ended, what happens is said", () => {
  const view = consoleView(row({ viewers: [viewer({ role: "control" }), viewer({ id: "v-2", user: "bob" })] }));
  const words = endViewerWords(view, view.viewers[0]);
  assert.equal(words.title, "End the session of ann on web-1?");
  assert.match(words.text, /The others stay on\.$/);
  assert.match(words.hint, /ann is in control.*only a rule prevents that\.$/);
  assert.doesNotMatch(endViewerWords(view, view.viewers[1]).hint, /in control/);
});

test("before a console is ended, those who are sent away are named, the first of many", () => {
  const named = (...users) =>
    endConsoleWords(consoleView(row({ viewers: users.map((user, at) => viewer({ id: `v-${at}`, user })) }))).text;
  assert.match(named("ann"), /^ann is sent away/);
  assert.match(named("ann", "bob"), /^ann and bob are sent away/);
  assert.match(named("a", "b", "c", "d", "e", "f", "g"), /^a, b, c, d, e and 2 others are sent away/);
  assert.match(named(), /^The connection to the cloud is closed\.$/);
});
