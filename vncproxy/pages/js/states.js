/** What the page says of the console's states while it waits, connects or brings a link back. Pure. */

import { cloudFact, hasNoConsole, isThrottling } from "./clouderrors.js";
import { counted, sentence, timeLeft } from "./words.js";

/** The states of the control channel; a state without words shows the screen. */
const STATES = {
  idle: {
    title: "Getting the console ready",
    text: "vncproxy is about to open the link to the instance.",
  },
  "waiting-budget": {
    title: "",
    text: "There is nothing to do but wait: the cloud counts each connection for a minute.",
    next: "vncproxy connects by itself as soon as one becomes free.",
  },
  "fetching-url": {
    title: "Asking the cloud for the console",
    text: "vncproxy fetches a fresh address for this instance.",
  },
  connecting: {
    title: "Connecting to the instance",
    text: "vncproxy opens the link to the cloud’s VNC server.",
  },
  handshake: {
    title: "Starting the screen",
    text: "The link is up; the first picture is on its way.",
  },
  retrying: {
    title: "Not connected yet",
    text: "The last try failed.",
    next: "vncproxy tries again by itself.",
  },
  resuming: {
    title: "Bringing the link back",
    text: "The link to the cloud is down.",
    next: "vncproxy replaces it by itself.",
  },
};

const LAST_PICTURE = "What you see is the last picture. What you type now isn’t passed on.";

/** Steps of a try that may be one of many: the card goes on saying why the last one failed. */
const STEPS = new Set(["idle", "fetching-url", "connecting", "handshake"]);

/** Short names of all states, for the status bar. */
const SHORT = {
  idle: "Getting ready",
  "waiting-budget": "Waiting for a connection",
  "fetching-url": "Asking the cloud",
  connecting: "Connecting",
  handshake: "Starting the screen",
  password: "Password needed",
  running: "Connected",
  retrying: "Trying again",
  resuming: "Resuming",
  opaque: "Connected, opaque",
  closed: "Closed",
};

/** That the budget is used up, as a fact. @param {{limit: number, counts_for: string}|undefined} budget */
export function budgetFact(budget) {
  if (!budget) {
    return "The connections of the last minute are used up";
  }
  const whose = budget.counts_for === "account" ? "This account" : "This instance";
  const number = budget.limit === 1 ? "one connection" : `${budget.limit} connections`;
  return `${whose} used its ${number} of the last minute`;
}

/**
 * The words for a state message of the control channel, or null where the screen is to be seen.
 * @param {{state: string, wait_s?: number|null, text?: string, attempt?: number,
 *   instance_status?: string|null, max_wait_s?: number, budget?: {limit: number, counts_for: string},
 *   error?: import("./clouderrors.js").CloudFailure|null}} message
 * @param {{hasPicture?: boolean, until_ms?: number|null}} [circumstances]
 *   hasPicture: a picture from before is behind the words; until_ms: when the wait is over
 * @returns {{title: string, text: string, next: string, detail: string, codes: string}|null}
 */
export function stateWords(message, { hasPicture = false, until_ms = null } = {}) {
  const { attempt = 1, error } = message;
  const shown = shownState(message, hasPicture);
  const isStep = STEPS.has(shown) && (attempt > 1 || hasPicture);
  const failing = Boolean(error) && (shown === "retrying" || shown === "resuming" || isStep);
  const known = STATES[failing && isStep ? failingState(hasPicture) : shown];
  if (!known) {
    return null;
  }
  const detail = [hasPicture ? LAST_PICTURE : "", attempt > 1 ? `${counted(attempt, "try", "tries")} so far.` : ""]
    .filter(Boolean)
    .join(" ");
  const words = { title: known.title, text: known.text, next: known.next ?? "", detail, codes: "" };
  if (shown === "waiting-budget") {
    return { ...words, title: budgetFact(message.budget) };
  }
  if (!failing) {
    return words;
  }
  if (!error.code) {
    return { ...words, text: sentence(error.text ?? "") || known.text };
  }
  const fact = cloudFact(error, { status: message.instance_status, until_ms });
  return { ...words, ...fact, next: nextTry(error.code, message.max_wait_s) };
}

function failingState(hasPicture) {
  return hasPicture ? "resuming" : "retrying";
}

function nextTry(code, max_wait_s) {
  if (hasNoConsole(code)) {
    const longest = max_wait_s ? `, for ${timeLeft(max_wait_s)} at most` : "";
    return `vncproxy asks the cloud every few seconds${longest}, and opens the console as soon as it can.`;
  }
  return isThrottling(code) ? "vncproxy asks again by itself then." : "vncproxy tries again by itself.";
}

/**
 * The state as a person sees it: without a picture there is nothing to resume, and where no
 * connection has to be waited for, asking for it is but a step on the way.
 * @param {{state: string, wait_s?: number|null, attempt?: number}} message
 * @param {boolean} hasPicture
 */
export function shownState({ state, wait_s = null, attempt = 1 }, hasPicture) {
  const passes = state === "waiting-budget" && !(wait_s > 0);
  if (hasPicture) {
    return passes ? "resuming" : state;
  }
  if (state === "running" || state === "opaque") {
    return "handshake";
  }
  if (passes && attempt <= 1) {
    return "idle";
  }
  return passes || state === "resuming" ? "retrying" : state;
}

/** A state's short name. @param {string} state */
export function stateName(state) {
  return SHORT[state] ?? state;
}
