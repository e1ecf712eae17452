/** Words that all pages share: refusals, names, numbers and times. Pure. */

import { FULL_STOP, language, t, tn, together } from "./texts.js";

/** The daemon's words as a sentence: with a capital and a full stop. @param {string} text */
export function sentence(text) {
  const said = text.trim();
  if (!said) {
    return "";
  }
  // A name's own small letter stays, and after it Chinese has no large ones.
  const whole = language === "zh" || said.startsWith("vncproxy") ? said : said[0].toUpperCase() + said.slice(1);
  return /[.!?…。！？]$/.test(whole) ? whole : whole + FULL_STOP;
}

/** Several texts as one to be read out. @param {...string} texts */
export function spoken(...texts) {
  return together(texts.map(sentence));
}

/** Refusals of doors that know their visitors by themselves: there is nothing to log in with. */
const UNKNOWN_HERE = new Set(["no-account", "not-a-proxy", "no-secret", "wrong-secret", "no-user", "no-tokens"]);

/** Whether a log-in is what a refusal asks for. @param {{status: number, word?: string}} error */
export function wantsLogin({ status, word }) {
  return status === 401 && !UNKNOWN_HERE.has(word);
}

const REFUSALS = {
  0: [t("vncproxy can’t be reached"), t("See whether “vncproxy serve” is running and, with a tunnel, whether the tunnel is up.")],
  400: [t("The request was wrong"), t("Reload the page; it may be from another version of vncproxy.")],
  401: [t("Log in first"), t("Your log-in is missing or has run out.")],
  403: [t("Not allowed"), t("You may not open this console, or the page was opened from a foreign site.")],
  404: [t("No such instance"), t("There is no instance of this name that you may open.")],
  409: [t("Another vncproxy has this console"), t("The cloud allows one VNC session for an instance, and another daemon holds it.")],
  421: [t("Wrong host name"), t("vncproxy isn’t meant to be reached under this name: add it to allowed_hosts, or open it by localhost.")],
  429: [t("Too many at once"), t("A limit of vncproxy is reached.")],
  503: [t("Not possible just now"), t("vncproxy is stopping, or it can’t write its records.")],
};

/**
 * The words for a refused request.
 * @param {{status: number, text: string, word?: string}} error
 * @returns {{title: string, text: string, retry: "never"|"pause"|"backoff"|"after"}}
 */
export function refusalWords({ status, text, word }) {
  const [title, fallback] = UNKNOWN_HERE.has(word)
    ? [t("You aren’t known here"), ""]
    : (REFUSALS[status] ?? [t("vncproxy answered with an error"), t("The status was {status}.", { status })]);
  let retry = "never";
  if (word === "draining") {
    retry = "pause";
  } else if (status === 429 || status === 503) {
    retry = "after";
  } else if (status === 0 || status === 408 || status >= 500) {
    retry = "backoff";
  }
  return { title, text: text || fallback, retry };
}

const KEEPALIVE = {
  pointer: t("Kept open by vncproxy’s pointer messages"),
  key: t("Kept open by vncproxy’s key presses"),
};

/** What keeps the link open, in a few words. @param {string|undefined} kind */
export function keepaliveWords(kind) {
  return kind ? (KEEPALIVE[kind] ?? t("Kept open by vncproxy")) : "";
}

/** The same in a line, where there is no title. @param {{status: number, text: string, word?: string}} error */
export function refusalSentences(error) {
  const { title, text } = refusalWords(error);
  return spoken(title, text);
}

const STATUSES = {
  Running: t("Running"),
  Stopped: t("Stopped"),
  Starting: t("Starting"),
  Stopping: t("Stopping"),
  Pending: t("Pending"),
};

/** An instance's state as the cloud's own console calls it. @param {string} status of the API */
export function statusName(status) {
  return STATUSES[status] ?? status;
}

/** What became of keys that were pressed while there was no link. @param {number} count */
export function wentNowhere(count) {
  return tn(count, "{count} key that you pressed went nowhere", "{count} keys that you pressed went nowhere");
}

/** Seconds left, for people: `7 s`, `1 min 05 s`. @param {number} seconds */
export function timeLeft(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) {
    return t("{seconds} s", { seconds: whole });
  }
  return t("{minutes} min {seconds} s", {
    minutes: Math.floor(whole / 60),
    seconds: String(whole % 60).padStart(2, "0"),
  });
}

/** The time of day, to the second that is reached by then: `12:03:20`. @param {number} epoch_ms */
export function clockTime(epoch_ms) {
  const at = new Date(Math.ceil(epoch_ms / 1000) * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Two instants so close are told as one: the daemon sends what is left, rounded, time and again. */
const SAME_MS = 1_500;

/**
 * When a wait is over, on this machine's clock; the earlier answer stays if it says about the same.
 * @param {number|null} earlier_ms
 * @param {number|null|undefined} wait_s what is left of it now
 * @param {number} now_ms
 * @returns {number|null}
 */
export function waitsUntil(earlier_ms, wait_s, now_ms) {
  if (!(wait_s > 0)) {
    return null;
  }
  const until_ms = now_ms + wait_s * 1000;
  return earlier_ms !== null && Math.abs(earlier_ms - until_ms) < SAME_MS ? earlier_ms : until_ms;
}

/**
 * What people call an instance: the alias of the configuration, else its name in the cloud.
 * @param {{alias: string|null, id: string, name?: string}} instance the alias may be the id
 */
export function titleOf({ alias, id, name }) {
  return alias && alias !== id ? alias : name || id;
}

export const PLACE_JOINT = " · ";

/**
 * Where an instance is, besides its title.
 * @param {{alias: string|null, id: string, region: string, windows: boolean, name?: string}} instance
 */
export function placeOf({ alias, id, region, windows, name }) {
  const shown = titleOf({ alias, id, name });
  const more = [name === shown ? "" : name, id === shown ? "" : id, region, windows ? "Windows" : ""];
  return more.filter(Boolean).join(PLACE_JOINT);
}
