import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyState, RELEASED_AFTER_MS } from "./unreportedreleases.js";

/** Keys of a keyboard, by the name of the physical key: what an event calls it. */
const KEYS = {
  ShiftLeft: "Shift",
  ShiftRight: "Shift",
  ControlLeft: "Control",
  AltLeft: "Alt",
  AltRight: "AltGraph",
  MetaLeft: "Meta",
  KeyA: "a",
  KeyB: "b",
  Quote: "Dead",
};
const MODIFIERS = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta"]);

/** A keyboard, a browser that passes on what it likes, and a guest that believes what it is told. */
class Desk {
  now = 0;
  down = new Set();
  guest = new Set();
  told = [];
  keys = new KeyState(() => this.now);

  /** What events say: on X, a press of AltGr or Super isn't counted in its own event, nor is its release. */
  flags(event) {
    const before = new Set([...this.down].map((code) => KEYS[code]).filter((key) => MODIFIERS.has(key)));
    if (["AltGraph", "Meta"].includes(KEYS[event?.code])) {
      event.down ? before.delete(KEYS[event.code]) : before.add(KEYS[event.code]);
    }
    return before;
  }

  tell(corrections) {
    for (const { down, code } of corrections) {
      this.told.push(`${down ? "+" : "-"}${code}`);
      this.guest[down ? "add" : "delete"](code);
    }
  }

  press(code, { heard = true, repeat = false, onScreen = true } = {}) {
    this.down.add(code);
    if (heard) {
      const fact = { code, key: KEYS[code], repeat, onScreen, modifiers: this.flags({ code, down: true }) };
      this.tell(this.keys.keydown(fact));
      if (onScreen) {
        this.guest.add(code);
      }
    }
  }

  release(code, { heard = true, onScreen = true } = {}) {
    this.down.delete(code);
    if (heard) {
      const fact = { code, key: KEYS[code], onScreen, modifiers: this.flags({ code, down: false }) };
      this.tell(this.keys.keyup(fact));
      if (onScreen) {
        this.guest.delete(code);
      }
    }
  }

  move() {
    this.tell(this.keys.pointer({ modifiers: this.flags(), presses: false }));
  }

  click() {
    this.tell(this.keys.pointer({ modifiers: this.flags(), presses: true }));
  }

  wait(ms) {
    this.now += ms;
    this.tell(this.keys.expire());
  }

  /** The kinds of modifiers that a set of keys has. */
  static kinds(codes) {
    return [...new Set([...codes].map((code) => KEYS[code]).filter((key) => MODIFIERS.has(key)))].sort();
  }
}

test("keys whose releases are told need no correction", () => {
  const desk = new Desk();
  for (const code of ["ShiftLeft", "KeyA"]) {
    desk.press(code);
  }
  desk.move();
  for (const code of ["KeyA", "ShiftLeft"]) {
    desk.release(code);
  }
  desk.press("AltRight");
  desk.press("KeyB");
  desk.click();
  desk.release("KeyB");
  desk.release("AltRight");
  assert.deepEqual(desk.told, []);
  assert.equal(desk.keys.expires_ms, null);
});

test("Shift and a dead key are let go of before the next key", () => {
  const desk = new Desk();
  desk.press("ShiftLeft");
  desk.press("Quote");
  desk.release("Quote", { heard: false });
  desk.release("ShiftLeft", { heard: false });
  desk.press("KeyA");
  assert.deepEqual(desk.told, ["-ShiftLeft", "-Quote"]);
  assert.deepEqual([...desk.guest], ["KeyA"]);
});

for (const code of ["ShiftLeft", "ControlLeft", "AltLeft", "AltRight", "MetaLeft"]) {
  for (const heals of ["key", "click", "move"]) {
    test(`${code} whose release isn't told is let go of by the next ${heals}`, () => {
      const desk = new Desk();
      desk.press(code);
      desk.release(code, { heard: false });
      heals === "key" ? desk.press("KeyA") : desk[heals]();
      assert.deepEqual(desk.told, [`-${code}`]);
    });
  }
}

test("a plain key is let go of once it isn't repeated for a second", () => {
  const desk = new Desk();
  desk.press("KeyA");
  assert.equal(desk.keys.expires_ms, RELEASED_AFTER_MS);
  desk.wait(RELEASED_AFTER_MS - 1);
  desk.press("KeyA", { repeat: true });
  desk.wait(RELEASED_AFTER_MS - 1);
  assert.deepEqual(desk.told, []);
  desk.wait(1);
  assert.deepEqual(desk.told, ["-KeyA"]);
});

test("a modifier may be down for as long as it is", () => {
  const desk = new Desk();
  desk.press("ControlLeft");
  desk.wait(100 * RELEASED_AFTER_MS);
  desk.press("KeyA");
  assert.deepEqual(desk.told, []);
});

test("two plain keys may be down together", () => {
  const desk = new Desk();
  desk.press("KeyA");
  desk.press("KeyB");
  desk.press("ShiftLeft");
  desk.move();
  assert.deepEqual(desk.told, []);
});

test("a key pressed with a modifier that is gone is let go of, unless it is repeated", () => {
  const desk = new Desk();
  desk.press("MetaLeft");
  desk.press("KeyA");
  desk.release("MetaLeft");
  desk.press("KeyA", { repeat: true });
  assert.deepEqual(desk.told, []);
  desk.press("MetaLeft");
  desk.press("KeyB");
  desk.release("MetaLeft");
  desk.move();
  assert.deepEqual(desk.told, ["-KeyB"]);
});

test("a key that goes down again without having gone up is let go of first", () => {
  const desk = new Desk();
  desk.press("KeyA");
  desk.press("KeyA");
  assert.deepEqual(desk.told, ["-KeyA"]);
});

test("a modifier pressed elsewhere counts for keys and clicks on the screen, not for moves", () => {
  const desk = new Desk();
  desk.press("ControlLeft", { onScreen: false });
  desk.move();
  assert.deepEqual(desk.told, []);
  desk.click();
  assert.deepEqual(desk.told, ["+ControlLeft"]);
  desk.press("KeyA");
  desk.release("KeyA");
  desk.release("ControlLeft");
  assert.deepEqual(desk.told, ["+ControlLeft"]);
  assert.equal(desk.guest.size, 0);
});

test("a key that goes up beside the screen is let go of", () => {
  const desk = new Desk();
  desk.press("ShiftLeft");
  desk.press("KeyA");
  desk.release("KeyA", { onScreen: false });
  desk.release("ShiftLeft", { onScreen: false });
  assert.deepEqual(desk.told, ["-KeyA", "-ShiftLeft"]);
});

test("both Shift keys are let go of when neither is down", () => {
  const desk = new Desk();
  desk.press("ShiftLeft");
  desk.press("ShiftRight");
  desk.release("ShiftLeft", { heard: false });
  desk.release("ShiftRight");
  assert.equal(desk.guest.size, 0);
});

test("Windows' Ctrl before AltGr isn't touched between the two", () => {
  const keys = new KeyState(() => 0);
  const fact = (code, key, ...modifiers) => ({ code, key, modifiers: new Set(modifiers), onScreen: true });
  assert.deepEqual(keys.keydown(fact("ControlLeft", "Control", "Control")), []);
  assert.deepEqual(keys.keydown(fact("AltRight", "AltGraph", "AltGraph")), []);
  assert.deepEqual(keys.keydown(fact("KeyQ", "@", "AltGraph")).map(({ down, code }) => [down, code]), [[false, "ControlLeft"]]);
});

test("a Mac's Alt, which Firefox calls AltGraph as well, makes no second key", () => {
  const keys = new KeyState(() => 0);
  const fact = (code, key, ...modifiers) => ({ code, key, modifiers: new Set(modifiers), onScreen: true });
  keys.keydown(fact("AltLeft", "Alt", "Alt", "AltGraph"));
  assert.deepEqual(keys.keydown(fact("KeyL", "@", "Alt", "AltGraph")), []);
});

test("Caps Lock, which a Mac holds down while the lock is on, is left alone", () => {
  const keys = new KeyState(() => 0);
  keys.keydown({ code: "CapsLock", key: "CapsLock", modifiers: new Set(), onScreen: true });
  assert.equal(keys.expires_ms, null);
});

test("nothing is held after all was let go of", () => {
  const desk = new Desk();
  desk.press("ControlLeft");
  desk.press("KeyA");
  desk.keys.clear();
  desk.down.clear();
  desk.move();
  assert.deepEqual(desk.told, []);
});

test("whatever the order and whichever release isn't told, the guest has the true modifiers at each event", () => {
  const codes = ["ShiftLeft", "AltRight", "KeyA", "Quote"];
  const steps = codes.flatMap((code) => [
    (desk) => (desk.down.has(code) ? desk.release(code) : desk.press(code)),
    (desk) => (desk.down.has(code) ? desk.release(code, { heard: false }) : desk.press(code)),
    (desk) => (desk.down.has(code) ? desk.release(code, { onScreen: false }) : desk.press(code, { onScreen: false })),
  ]);
  let runs = 0;
  const walk = (path) => {
    if (path.length === 4) {
      const desk = new Desk();
      path.forEach((step) => step(desk));
      desk.click();
      assert.deepEqual(Desk.kinds(desk.guest), Desk.kinds(desk.down));
      assert.ok(!desk.guest.has("Quote"));
      desk.wait(RELEASED_AFTER_MS);
      assert.deepEqual([...desk.guest].filter((code) => !MODIFIERS.has(KEYS[code])), []);
      runs += 1;
      return;
    }
    steps.forEach((step) => walk([...path, step]));
  };
  walk([]);
  assert.equal(runs, steps.length ** 4);
});
