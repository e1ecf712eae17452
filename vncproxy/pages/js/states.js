/** What the page says of the console's states while it waits, connects or brings a link back. Pure. */

import { cloudFact, hasNoConsole, isThrottling } from "./clouderrors.js";
import { t, tn, together } from "./texts.js";
import { sentence, timeLeft } from "./words.js";

/** The states of the control channel; a state without words shows the screen. */
const STATES = {
  idle: {
    title: t("Getting the console ready"),
    text: t("vncproxy is about to open the link to the instance."),
  },
  "waiting-budget": {
    title: "",
    text: t("There is nothing to do but wait: the cloud counts each connection for a minute."),
    next: t("vncproxy connects by itself as soon as one becomes free."),
  },
  "fetching-url": {
    title: t("Asking the cloud for the console"),
    text: t("vncproxy fetches a fresh address for this instance."),
  },
  connecting: {
    title: t("Connecting to the instance"),
    text: t("vncproxy opens the link to the cloud’s VNC server."),
  },
  handshake: {
    title: t("Starting the screen"),
    text: t("The link is up; the first picture is on its way."),
  },
  retrying: {
    title: t("Not connected yet"),
    text: t("The last try failed."),
    next: t("vncproxy tries again by itself."),
  },
  resuming: {
    title: t("Bringing the link back"),
    text: t("The link to the cloud is down."),
    next: t("vncproxy replaces it by itself."),
  },
};

const LAST_PICTURE = t("What you see is the last picture. What you type now isn’t passed on.");

/** Steps of a try that may be one of many: the card goes on saying why the last one failed. */
const STEPS = new Set(["idle", "fetching-url", "connecting", "handshake"]);

/** Short names of all states, for the status bar. */
const SHORT = {
  idle: t("Getting ready"),
  "waiting-budget": t("Waiting for a connection"),
  "fetching-url": t("Asking the cloud"),
  connecting: t("Connecting"),
  handshake: t("Starting the screen"),
  password: t("Password needed"),
  running: t("Connected"),
  retrying: t("Trying again"),
  resuming: t("Resuming"),
  opaque: t("Connected, opaque"),
  closed: t("Closed"),
};

/** That the budget is used up, as a fact. @param {{limit: number, counts_for: string}|undefined} budget */
export function budgetFact(budget) {
  if (!budget) {
    return t("The connections of the last minute are used up");
  }
  return budget.counts_for === "account"
    ? tn(
      budget.limit,
      "This account used its one connection of the last minute",
      "This account used its {count} connections of the last minute",
    )
    : tn(
      budget.limit,
      "This instance used its one connection of the last minute",
      "This instance used its {count} connections of the last minute",
    );
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
  const detail = together([
    hasPicture && LAST_PICTURE,
    attempt > 1 && tn(attempt, "{count} try so far.", "{count} tries so far."),
  ]);
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
    return max_wait_s
      ? t(
        "vncproxy asks the cloud every few seconds, for {time} at most, and opens the console as soon as it can.",
        { time: timeLeft(max_wait_s) },
      )
      : t("vncproxy asks the cloud every few seconds, and opens the console as soon as it can.");
  }
  return isThrottling(code) ? t("vncproxy asks again by itself then.") : t("vncproxy tries again by itself.");
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
