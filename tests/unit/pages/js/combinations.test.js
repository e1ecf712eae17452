import assert from "node:assert/strict";
import { test } from "node:test";
import {
  combinationLabel,
  combinationOf,
  keptByBrowsers,
  keptCombinations,
  MOST_KEPT,
  SYSRQ,
  systemCombinations,
  sysrqKeys,
  withCombination,
  withoutCombination,
} from "./combinations.js";
import { keyOf } from "./keysyms.js";

test("a combination is understood as people write it", () => {
  assert.deepEqual(combinationOf("ctrl + Alt+f2"), { names: ["Control", "Alt", "F2"] });
  assert.deepEqual(combinationOf("WIN+r"), { names: ["Super", "r"] });
  assert.deepEqual(combinationOf("Page Up"), { names: ["PageUp"] });
  assert.deepEqual(combinationOf("Ctrl+-"), { names: ["Control", "-"] });
  assert.deepEqual(combinationOf("Shift+Shift+Space"), { names: ["Shift", " "] });
});

test("what isn't a key is named", () => {
  assert.deepEqual(combinationOf("Ctrl+Foo"), { unknown: "foo" });
  assert.deepEqual(combinationOf("Ctrl+"), { unknown: "" });
  assert.deepEqual(combinationOf("a+b+c+d+e+f"), { unknown: "" });
  assert.deepEqual(combinationOf("toString"), { unknown: "tostring" });
});

test("a combination is labelled as its system calls the keys", () => {
  assert.equal(combinationLabel(["Super", "r"], { windows: true }), "Win+R");
  assert.equal(combinationLabel(["Super", "r"], { windows: false }), "Super+R");
  assert.equal(combinationLabel(["Control", "Alt", "F1"]), "Ctrl+Alt+F1");
  assert.equal(combinationLabel(["Shift", " "]), "Shift+Space");
});

test("every key that is offered exists", () => {
  const offered = [
    ...keptByBrowsers({ windows: true }),
    ...keptByBrowsers({ windows: false }),
    ...systemCombinations({ windows: true }),
    ...systemCombinations({ windows: false }),
    ...SYSRQ.map(({ letter }) => sysrqKeys(letter)),
  ];
  assert.deepEqual(offered.flat().filter((name) => keyOf(name) === null), []);
});

test("what a browser keeps to itself is offered once, beside the keys of the system", () => {
  const labels = (combinations) => combinations.map((names) => combinationLabel(names));
  assert.deepEqual(labels(keptByBrowsers({ windows: false })), ["Ctrl+W", "Ctrl+T", "Ctrl+N", "Alt+F4", "Alt+Tab"]);
  assert.deepEqual(labels(keptByBrowsers({ windows: true })), ["Ctrl+W", "Ctrl+T", "Ctrl+N", "Alt+Tab"]);
  assert.ok(labels(systemCombinations({ windows: true })).includes("Alt+F4"));
});

test("Ctrl+Alt+Backspace, which ends an X session, is among the keys of Linux", () => {
  assert.deepEqual(systemCombinations({ windows: false }).at(-1), ["Control", "Alt", "Backspace"]);
});

test("what ends an instance's work is asked for twice", () => {
  assert.deepEqual(SYSRQ.filter(({ sure }) => sure).map(({ letter }) => letter), ["e", "i", "b", "c", "o"]);
});

test("a user's own are kept once each, and nothing odd is believed", () => {
  const kept = withCombination([["Control", "b"]], ["Control", "a"]);
  assert.deepEqual(keptCombinations(JSON.stringify(kept)), kept);
  assert.deepEqual(withCombination(kept, ["Control", "b"]), [["Control", "a"], ["Control", "b"]]);
  assert.deepEqual(withoutCombination(kept, ["Control", "a"]), [["Control", "b"]]);
  assert.deepEqual(keptCombinations(null), []);
  assert.deepEqual(keptCombinations("{broken"), []);
  assert.deepEqual(keptCombinations('[["nothing like it"], "a", [], [7], ["Tab"]]'), [["Tab"]]);
  assert.equal(keptCombinations(JSON.stringify(Array(99).fill(["Tab"]))).length, 24);
});

test("plus is a key, and hyphens stand between keys as well", () => {
  assert.deepEqual(combinationOf("ctrl+plus"), { names: ["Control", "Plus"] });
  assert.deepEqual(combinationOf("Ctrl++"), { names: ["Control", "Plus"] });
  assert.equal(combinationLabel(["Control", "Plus"]), "Ctrl+Plus");
  assert.deepEqual(keyOf("Plus"), [0xffab, "NumpadAdd"]);
  assert.deepEqual(combinationOf("ctrl-alt-del"), { names: ["Control", "Alt", "Delete"] });
  assert.deepEqual(combinationOf("Alt - F4"), { names: ["Alt", "F4"] });
  assert.deepEqual(combinationOf("ctrl--"), { names: ["Control", "-"] });
  assert.deepEqual(combinationOf("ctrl+page-up"), { names: ["Control", "PageUp"] });
  assert.deepEqual(combinationOf("ctrl-foo"), { unknown: "foo" });
});

test("what every object has is no key", () => {
  for (const name of ["constructor", "valueOf", "__proto__"]) {
    assert.ok(combinationOf(name).unknown);
    assert.ok(combinationOf(`ctrl+${name}`).unknown);
  }
  assert.equal(combinationLabel(["constructor"]), "constructor");
});

test("when there is no room for one more, none goes", () => {
  const full = Array.from({ length: MOST_KEPT }, (_, index) => ["Control", `${index}`]);
  assert.equal(withCombination(full, ["Tab"]), null);
  assert.equal(withCombination(full, full[3]).length, MOST_KEPT);
});
