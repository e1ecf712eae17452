import assert from "node:assert/strict";
import { test } from "node:test";

import { chosenIn, cookieOf } from "./languageswitch.js";

test("what was chosen is found among other cookies", () => {
  assert.equal(chosenIn("a=b; vncproxy-language=zh; c=d"), "zh");
  assert.equal(chosenIn("vncproxy-language=en"), "en");
});

test("nothing chosen, or nothing that is known, is the browser's own", () => {
  for (const cookies of ["", "a=b", "vncproxy-language=", "vncproxy-language=de", "x-vncproxy-language=zh"]) {
    assert.equal(chosenIn(cookies), "auto");
  }
});

test("a choice is kept below the path of the pages, and given up by auto", () => {
  assert.match(cookieOf("zh", "/vnc"), /^vncproxy-language=zh; Path=\/vnc; Max-Age=31536000;/);
  assert.match(cookieOf("auto", ""), /; Path=\/; Max-Age=0;/);
});
