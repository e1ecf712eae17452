import assert from "node:assert/strict";
import { test } from "node:test";
import { call, load } from "./api.js";
import { refusalWords } from "./words.js";

const HTML = "<html><body><h1>503 Service Unavailable</h1></body></html>";

function answering(status, body, headers = {}) {
  globalThis.fetch = async () => new Response(body, { status, headers });
}

async function refused(asking) {
  try {
    await asking;
  } catch (error) {
    return error;
  }
  return assert.fail("it wasn't refused");
}

test("what a proxy answers by itself means that vncproxy isn't reached, and is tried again soon", async () => {
  for (const body of [HTML, "", '{"message":"no upstream"}', "[]", "null"]) {
    for (const status of [502, 503, 504]) {
      for (const ask of [() => call("GET", "/x"), () => load("/x")]) {
        answering(status, body, { "Retry-After": "600" });
        const error = await refused(ask());
        const { title, text, retry } = refusalWords(error);
        assert.deepEqual([error.status, error.word, error.retryAfter_s], [0, "unreachable", null]);
        assert.deepEqual([title, retry], ["vncproxy can’t be reached", "backoff"]);
        assert.match(text, new RegExp(`status ${status}: see whether “vncproxy serve” is running`));
      }
    }
  }
});

test("vncproxy's own refusals keep their status and words", async () => {
  const error = { word: "unavailable", text: "The audit can’t be written.", retry_after_s: 7 };
  answering(503, JSON.stringify({ error }));
  const { status, word, text, retryAfter_s } = await refused(call("GET", "/x"));
  assert.deepEqual([status, word, text, retryAfter_s], [503, error.word, error.text, 7]);
});

test("other statuses without JSON stay what they are", async () => {
  answering(404, HTML);
  assert.equal((await refused(call("GET", "/x"))).status, 404);
});
