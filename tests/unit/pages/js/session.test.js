import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Session } from "./session.js";

/** The timers of a test that has a clock of its own. */
const realTimers = { setTimeout, clearTimeout };
let now_ms = 0;
let timers = new Map();

/** From here on time passes by `tick` alone. */
function holdTimers() {
  now_ms = 0;
  timers = new Map();
  globalThis.setTimeout = (call, delay_ms) => {
    const timer = Symbol("timer");
    timers.set(timer, { at_ms: now_ms + delay_ms, call });
    return timer;
  };
  globalThis.clearTimeout = (timer) => timers.delete(timer);
}

function tick(passed_ms) {
  now_ms += passed_ms;
  for (const [timer, { at_ms, call }] of [...timers]) {
    if (at_ms <= now_ms && timers.delete(timer)) call();
  }
}

/** What a test sees of the two sockets that a session opens. */
let sockets = [];

class FakeSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  readyState = 1;
  sent = [];
  closed = false;

  constructor(url, protocols) {
    super();
    this.url = url;
    this.protocols = protocols;
    sockets.push(this);
  }

  send(text) {
    this.sent.push(text);
  }

  close() {
    this.closed = true;
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  endWith(code, reason = "") {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }

  say(text) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: text }));
  }
}

const screen = () => ({ attached: null, kept: 0, detached: 0,
  attach(stream) { this.attached = stream; },
  keepPicture() { this.kept += 1; },
  detach() { this.detached += 1; } });

function opened() {
  const on = screen();
  const session = new Session(on, "web-1", "T", { view: false, take: false });
  const ends = [];
  session.addEventListener("ended", ({ detail }) => ends.push(detail));
  const [stream, control] = sockets;
  return { on, session, ends, control, stream };
}

beforeEach(() => {
  sockets = [];
  globalThis.WebSocket = FakeSocket;
  globalThis.location = new URL("http://localhost:6080/console/web-1");
  Object.assign(globalThis, realTimers);
});

test("both sockets open at once with the ticket, the screen's with the subprotocol binary", () => {
  const { on, control, stream } = opened();
  assert.equal(control.url, "ws://localhost:6080/control/web-1?ticket=T&language=en");
  assert.equal(stream.url, "ws://localhost:6080/websockify/web-1?ticket=T&ahead=1");
  assert.deepEqual(stream.protocols, ["binary"]);
  assert.equal(on.attached, stream);
});

test("a code with a meaning ends the session once, after the control channel's last words", () => {
  const { on, session, ends, control, stream } = opened();
  const heard = [];
  session.addEventListener("control", ({ detail }) => heard.push(detail));
  stream.endWith(4504, "upstream-lost");
  assert.deepEqual(ends, []);
  control.say('{"type":"state","state":"closed"}');
  assert.equal(heard.length, 1);
  control.endWith(1006);
  assert.deepEqual(ends, [{ code: 4504, reason: "upstream-lost" }]);
  assert.ok(control.closed);
  assert.equal(on.detached, 1);
  assert.ok(on.kept >= 1);
});

test("a code with a meaning waits half a second for the last words", () => {
  holdTimers();
  const { ends, stream } = opened();
  stream.endWith(4403, "kicked");
  tick(499);
  assert.deepEqual(ends, []);
  tick(1);
  assert.deepEqual(ends, [{ code: 4403, reason: "kicked" }]);
});

test("a refusal is told by the control channel, which opens and ends later", () => {
  holdTimers();
  const { session, ends, control, stream } = opened();
  const heard = [];
  session.addEventListener("control", ({ detail }) => heard.push(detail.state));
  control.readyState = FakeSocket.CONNECTING;
  stream.endWith(4502, "upstream-refused: Forbidden.RAM");
  tick(2999);
  control.open();
  tick(2999);
  assert.deepEqual([ends, control.closed], [[], false]);
  control.say('{"type":"state","state":"closed"}');
  control.endWith(1000);
  assert.deepEqual(heard, ["closed"]);
  assert.deepEqual(ends, [{ code: 4502, reason: "upstream-refused: Forbidden.RAM" }]);
});

test("a refusal is told without the control channel when that says nothing for three seconds", () => {
  holdTimers();
  const { ends, stream } = opened();
  stream.endWith(4502, "upstream-refused: Forbidden.RAM");
  tick(2999);
  assert.deepEqual(ends, []);
  tick(1);
  assert.equal(ends[0].code, 4502);
});

test("a silent end waits for the other socket, which may know why", () => {
  const { ends, control, stream } = opened();
  control.endWith(1006);
  assert.deepEqual(ends, []);
  stream.endWith(1012, "restarting");
  assert.deepEqual(ends, [{ code: 1012, reason: "restarting" }]);
});

test("a silent end is reported after three seconds when the other socket stays", () => {
  holdTimers();
  const { ends, control, stream } = opened();
  stream.endWith(1005);
  tick(3000);
  assert.deepEqual(ends, [{ code: 1005, reason: "" }]);
  assert.ok(control.closed);
});

test("messages are passed on as objects, and nonsense is not", () => {
  const { session, control } = opened();
  const heard = [];
  session.addEventListener("control", ({ detail }) => heard.push(detail));
  control.say("{");
  control.say('{"type":"state","state":"running"}');
  assert.deepEqual(heard, [{ type: "state", state: "running" }]);
});

test("nothing is sent and nothing reported after the page has ended it", () => {
  const { session, ends, control, stream } = opened();
  session.send({ type: "retry" });
  session.end();
  session.send({ type: "retry" });
  stream.endWith(1006);
  assert.equal(control.sent.length, 1);
  assert.deepEqual(ends, []);
});
