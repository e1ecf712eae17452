import assert from "node:assert/strict";
import { test } from "node:test";
import { leftOut, offerOf, stoppedWords } from "./typingwords.js";

test("a text of which nothing can be typed isn't offered", () => {
  const { said, label, possible } = offerOf("你好", { layout: "us" });
  assert.equal(said, "Not on this keyboard, and left out: 你 好");
  assert.equal(label, "Nothing to type");
  assert.equal(possible, false);
  assert.equal(offerOf("\x1b", {}).possible, false);
  assert.deepEqual(offerOf("", {}), { said: "", label: "Type it", possible: false });
});

test("what can be typed of a text is offered, up to a length", () => {
  assert.deepEqual(offerOf("ls", {}), { said: "", label: "Type it", possible: true });
  const { label, possible } = offerOf("né", { layout: "us" });
  assert.deepEqual([label, possible], ["Type the rest", true]);
  assert.equal(offerOf("a".repeat(20_001), {}).possible, false);
});

test("many characters are counted, and those that can't be seen are numbers", () => {
  assert.equal(leftOut(["\u200b"]), "Not on this keyboard, and left out: U+200B");
  assert.match(leftOut([..."αβγδεζηθικλμνξ"]), /: α β γ δ ε ζ η θ ι κ λ μ and 2 more$/);
});

test("who stopped the typing is named", () => {
  assert.equal(stoppedWords("cancelled", 1, 9), "Stopped after 1 key of 9.");
  assert.match(stoppedWords("control", 3, 9), /^Somebody else took control after 3 keys of 9\. Look/);
  assert.match(stoppedWords("link", 3, 9), /^The link was interrupted after 3 keys of 9\. Look/);
});
