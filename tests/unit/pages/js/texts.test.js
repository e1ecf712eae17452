import assert from "node:assert/strict";
import { test } from "node:test";

/** The module as it is on a page of a language. */
async function on(language, texts) {
  globalThis.vncproxyTexts = texts;
  try {
    return await import(`./texts.js?${language}`);
  } finally {
    delete globalThis.vncproxyTexts;
  }
}

const ZH = {
  language: "zh",
  tag: "zh-CN",
  messages: { "{count} key": "{count} 键", "Hello {name}": "{name}，您好", "verb\u0004Open": "打开", "see {link}": "见 {link}。" },
};

test("a text is its translation, and what has none is itself", async () => {
  const { t, tc } = await on("zh", ZH);
  assert.equal(t("Hello {name}", { name: "{count}" }), "{count}，您好");
  assert.equal(t("No {such} one"), "No {such} one");
  assert.equal(t("constructor"), "constructor");
  assert.equal(tc("verb", "Open"), "打开");
  assert.equal(t("Open"), "Open");
});

test("numbers have their forms and their groups", async () => {
  const zh = await on("zh", ZH);
  assert.equal(zh.tn(1, "{count} key", "{count} keys"), "1 键");
  assert.equal(zh.tn(12345, "{count} key", "{count} keys"), "12,345 键");
  const en = await on("en", undefined);
  assert.equal(en.tn(1, "{count} key", "{count} keys"), "1 key");
  assert.equal(en.tn(0, "{count} key", "{count} keys"), "0 keys");
  assert.equal(en.tn(2000, "{count} key", "{count} keys"), "2,000 keys");
});

test("nodes stand in the places of braces", async () => {
  const link = { a: 1 };
  assert.deepEqual((await on("zh", ZH)).tParts("see {link}", { link }), ["见 ", link, "。"]);
  assert.deepEqual((await on("en", undefined)).tParts("see {link}", { link }), ["see ", link]);
});

test("lists and sentences are joined as the language does", async () => {
  const zh = await on("zh", ZH);
  assert.equal(zh.listed(["甲", "乙", "丙"]), "甲、乙和丙");
  assert.equal(zh.listed(["boss", "wang"]), "boss 和 wang");
  assert.equal(zh.listed(["甲", "和", "wang"]), "甲、和和 wang");
  assert.equal(zh.COLON, "：");
  assert.equal(zh.together(["一。", "", null, "二。"]), "一。二。");
  assert.equal(zh.withCommas(["一", false, "二"]), "一，二");
  assert.equal(zh.enumerated(["ann", "bob"]), "ann、bob");
  const en = await on("en", undefined);
  assert.equal(en.listed(["a"]), "a");
  assert.equal(en.listed(["a", "b", "c"]), "a, b and c");
  assert.equal(en.together(["One.", "", "Two."]), "One. Two.");
});

test("dates are those of the language", async () => {
  const at = new Date(2026, 10, 30, 14, 3, 20);
  assert.match((await on("zh", ZH)).dayAndTime(at), /^2026年11月30日 14:03:20$/);
  assert.match((await on("en", undefined)).timeOfDay(at), /03:20/);
});
