import assert from "node:assert/strict";
import { test } from "node:test";
import { listNotes, recordingFilePath, recordingView, replayPath, searchQuery, sessionView } from "./pastview.js";

const SESSION = {
  user: "ann", address: "203.0.113.7", instance: "i-1", alias: "web-1", region: "cn-test",
  started_at: "2026-11-30T12:00:00Z", seconds: 65, state: "ended", opened_to: "control",
  reason: "viewer-left", text: "", recording: null, recording_state: null,
};

const RECORDING = {
  name: "a b.vncrec", user: "ann", address: "", instance: "i-1", alias: "web-1", region: "cn-test",
  started_at: "2026-11-30T12:00:00Z", duration_s: 3661.2, size_bytes: 1_234_567, running: false,
  ended: true, gaps: 0, damaged: false, problem: null, caution: null, state: "complete",
};

test("a session tells who was on what, for how long, and why it ended", () => {
  const view = sessionView(SESSION);
  assert.deepEqual([view.title, view.place, view.who, view.from], ["web-1", "i-1 · cn-test", "ann", "from 203.0.113.7"]);
  assert.deepEqual([view.length, view.opened, view.end, view.open], ["1 min", "To control", "The viewer left.", false]);
  assert.match(view.when, /2026/);
});

test("the daemon’s own sentence comes first, and an unknown reason is shown as it is", () => {
  assert.equal(sessionView({ ...SESSION, text: "an administrator ended it" }).end, "An administrator ended it.");
  assert.equal(sessionView({ ...SESSION, reason: "upstream-refused: Forbidden.RAM" }).end, "The cloud refused the connection.");
  assert.equal(sessionView({ ...SESSION, reason: "something-new" }).end, "something-new");
});

test("one that is open has no end, and one whose daemon crashed says so", () => {
  assert.deepEqual([sessionView({ ...SESSION, state: "open", seconds: null }).end, sessionView({ ...SESSION, state: "open" }).open], ["", true]);
  assert.match(sessionView({ ...SESSION, state: "lost", seconds: null }).end, /Not known/);
  assert.equal(sessionView({ ...SESSION, opened_to: null }).opened, "");
});

test("an instance without an alias goes by its id, and a record without either by words", () => {
  assert.deepEqual([sessionView({ ...SESSION, alias: "" }).title, sessionView({ ...SESSION, alias: "" }).place], ["i-1", "cn-test"]);
  assert.equal(sessionView({ ...SESSION, alias: "", instance: "", user: "" }).title, "Unknown instance");
});

test("an instance without an alias of its own goes by the cloud's name, if that is known", () => {
  const found = { instance: "i-1", alias: "i-1", instance_name: "shop" };
  for (const view of [sessionView({ ...SESSION, ...found }), recordingView({ ...RECORDING, ...found })]) {
    assert.deepEqual([view.title, view.place], ["shop", "i-1 · cn-test"]);
  }
  assert.equal(sessionView({ ...SESSION, ...found, instance_name: null }).title, "i-1");
  assert.equal(sessionView({ ...SESSION, ...found, alias: "web-1" }).title, "web-1");
});

test("a session's recording can be played unless there is nothing of it", () => {
  const played = (recording_state) => sessionView({ ...SESSION, recording: "a.vncrec", recording_state }).recording;
  assert.deepEqual(["complete", "cut", "damaged", "running"].map(played), Array(4).fill("a.vncrec"));
  assert.deepEqual(["gone", "unreadable", "empty"].map(played), Array(3).fill(null));
});

test("a recording tells what it is and what it lacks", () => {
  const view = recordingView(RECORDING);
  assert.deepEqual([view.length, view.size, view.lack, view.problem], ["1:01:01", "1.2 MB", null, ""]);
  const lack = (more) => recordingView({ ...RECORDING, ...more }).lack;
  assert.deepEqual(lack({ state: "running" }), { word: "Being recorded", tone: "good" });
  assert.deepEqual(lack({ state: "damaged" }), { word: "Damaged", tone: "bad" });
  assert.deepEqual(lack({ state: "cut" }), { word: "No proper end", tone: "warn" });
  assert.deepEqual(lack({ state: "incomplete" }), { word: "Parts are missing", tone: "warn" });
  assert.deepEqual(lack({ state: "empty" }), { word: "Nothing was shown", tone: "warn" });
  assert.equal(recordingView({ ...RECORDING, caution: "It belongs to another account." }).caution, "It belongs to another account.");
  const odd = recordingView({ ...RECORDING, state: "unreadable", problem: "It is no recording.", user: "", alias: "", instance: "" });
  const unknown = { ...RECORDING, state: "unreadable", user: "", alias: "", instance: "", region: "" };
  assert.equal(recordingView(unknown).place, "a b.vncrec");
  assert.deepEqual([odd.problem, odd.who, odd.length, odd.lack.tone], ["It is no recording.", "", "", "bad"]);
});

test("a search asks for what was filled in, times in UTC", () => {
  const nothing = { user: " ", instance: "", since: "", until: "" };
  assert.equal(searchQuery(nothing), "");
  const query = new URLSearchParams(searchQuery({ user: " ann&", instance: "web", since: "2026-11-30T12:00", until: "x" }, { limit: "5", before: "" }));
  assert.deepEqual([...query.keys()], ["user", "instance", "since", "limit"]);
  assert.equal(query.get("user"), "ann&");
  assert.equal(query.get("since"), new Date("2026-11-30T12:00").toISOString());
});

test("what is still being read is said before what is wrong", () => {
  assert.deepEqual(listNotes({ read: 1, problems: ["A file."] }), ["A file."]);
  const [reading, problem] = listNotes({ read: 0.429, problems: ["A file."] });
  assert.match(reading, /42 %/);
  assert.equal(problem, "A file.");
});

test("names are put into addresses whole", () => {
  assert.equal(replayPath(RECORDING.name), "/replay/a%20b.vncrec");
  assert.equal(recordingFilePath(RECORDING.name), "/api/v1/recordings/a%20b.vncrec/file");
});
