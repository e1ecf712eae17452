/** Calls of the daemon's JSON interface; their paths are without the base path. */

import { below } from "./basepath.js";

import { t, tag } from "./texts.js";

const CALL_TIMEOUT_MS = 20_000;

/** For a file, which may have to wait for its turn at the cloud. */
const LOAD_TIMEOUT_MS = 45_000;

/**
 * A refused or failed call: `status` 0 means that the daemon wasn't reached; `elsewhere` is the
 * daemon that has the console, if another one does.
 */
export class ApiError extends Error {
  constructor(status, word, text, retryAfter_s = null, elsewhere = null) {
    super(text || word || `status ${status}`);
    this.status = status;
    this.word = word;
    this.text = text;
    this.retryAfter_s = retryAfter_s;
    this.elsewhere = elsewhere;
  }
}

function retryAfter(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds : null;
}

/**
 * Make a call; gives its JSON answer, or null for an empty one.
 * @param {"GET"|"POST"|"DELETE"} method
 * @param {string} path
 * @param {object} [body]
 * @param {number} [timeout_ms]
 * @throws {ApiError}
 */
export async function call(method, path, body, timeout_ms = CALL_TIMEOUT_MS) {
  let response;
  let answer = null;
  try {
    response = await ask(method, path, body, timeout_ms);
    const text = await response.text();
    answer = text ? JSON.parse(text) : null;
  } catch (failure) {
    if (!response) {
      throw new ApiError(0, "unreachable", "");
    }
    if (response.ok) {
      throw new ApiError(0, "unreadable", t("The answer of vncproxy could not be read."));
    }
  }
  if (!response.ok) {
    throw refusal(response, answer);
  }
  return answer;
}

function ask(method, path, body, timeout_ms) {
  return fetch(below(path), {
    method,
    headers: { "Accept-Language": tag, ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(timeout_ms),
  });
}

/** What a proxy answers by itself while it can't reach the daemon, whose own refusals are JSON. */
const BY_A_PROXY = new Set([502, 503, 504]);

function refusal(response, answer) {
  const error = answer?.error ?? {};
  if (BY_A_PROXY.has(response.status) && !error.word) {
    return new ApiError(
      0,
      "unreachable",
      t("The proxy in front of vncproxy answered with status {status}: see whether “vncproxy serve” is running.", { status: response.status }),
    );
  }
  return new ApiError(
    response.status,
    error.word ?? "",
    error.text ?? "",
    error.retry_after_s ?? retryAfter(response),
    error.elsewhere ?? null,
  );
}

/**
 * Fetch a file.
 * @param {string} path
 * @returns {Promise<{blob: Blob, modified: Date|null}>}
 * @throws {ApiError}
 */
export async function load(path) {
  let response;
  let blob;
  try {
    response = await ask("GET", path, undefined, LOAD_TIMEOUT_MS);
    blob = await response.blob();
  } catch {
    throw new ApiError(0, "unreachable", "");
  }
  if (!response.ok) {
    const answer = await blob.text().then(JSON.parse).catch(() => null);
    throw refusal(response, answer);
  }
  const modified = response.headers.get("Last-Modified");
  return { blob, modified: modified ? new Date(modified) : null };
}
