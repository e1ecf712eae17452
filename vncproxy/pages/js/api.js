/** Calls of the daemon's JSON interface. */

const CALL_TIMEOUT_MS = 20_000;

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
 * @throws {ApiError}
 */
export async function call(method, path, body) {
  let response;
  let answer = null;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body ? JSON.stringify(body) : undefined,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const text = await response.text();
    answer = text ? JSON.parse(text) : null;
  } catch (failure) {
    if (!response) {
      throw new ApiError(0, "unreachable", "");
    }
    if (response.ok) {
      throw new ApiError(0, "unreadable", "The answer of vncproxy could not be read.");
    }
  }
  if (!response.ok) {
    const error = answer?.error ?? {};
    throw new ApiError(
      response.status,
      error.word ?? "",
      error.text ?? "",
      error.retry_after_s ?? retryAfter(response),
      error.elsewhere ?? null,
    );
  }
  return answer;
}
