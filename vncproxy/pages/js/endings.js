/** Why an attempt is over, in words, and what comes next. Pure. */

import { closeCode, cloudCodeOf } from "./closecodes.js";
import { cloudErrorText, isOurs, refusalWords, sentence } from "./words.js";

/**
 * @typedef {object} Ending
 * @property {string} title
 * @property {string} text
 * @property {string} detail
 * @property {"never"|"pause"|"backoff"|"after"} retry
 * @property {number|null} after_s what the daemon said to wait
 * @property {"again"|"reload"|"list"} action
 * @property {string} button
 * @property {boolean} picture whether the last picture may stay on the page
 */

/** Codes of a close that nobody gave a reason for. */
const SILENT = new Set([1000, 1005]);

/** noVNC let go while the daemon passed everything on unread. */
const UNSUPPORTED = {
  title: "This screen can’t be shown here",
  text: "The cloud’s server asks for a log-in, or speaks a kind of VNC, that neither vncproxy nor the screen in this page (noVNC) knows. A native VNC viewer, connected through vncproxy, may know it.",
  detail: "Whoever runs vncproxy finds what the server offered in its log, under console.opaque.",
  retry: "never",
  action: "again",
  button: "Try again",
};

/** What to say where it isn't the cloud that refused. */
const NOT_REACHED = "The cloud can’t be reached";

/** Ends for which the daemon gives the reason in a sentence of its own. */
const SAID = new Set([4403, 4410]);

/**
 * Ends after which nobody may be there to look, or somebody who mayn't: removed, idle, too old.
 * A refusal with one of these statuses is the same: not logged in, not allowed, not found.
 */
const UNSEEN = new Set([4403, 4408, 4410, 401, 403, 404]);

/**
 * The end of a session.
 * @param {{code: number, reason: string}} close
 * @param {{state: string, opaque?: boolean, wait_s?: number|null, instance_status?: string|null,
 *   error?: {code: string|null, text: string}|null}|null} last the daemon's last state message
 * @param {string} [said] why it is over, where the daemon said so
 * @returns {Ending}
 */
export function endOfSession({ code, reason }, last, said = "") {
  const entry = { ...closeCode(code), picture: !UNSEEN.has(code) };
  if (said && SAID.has(code)) {
    return { ...entry, text: said, detail: "", after_s: null };
  }
  const status = last?.instance_status ? `The instance is ${last.instance_status}.` : "";
  const after_s = last?.wait_s ?? null;
  if (last?.opaque && SILENT.has(code)) {
    return { ...UNSUPPORTED, picture: true, after_s };
  }
  const cloudCode = cloudCodeOf(reason) || (code === 4502 ? (last?.error?.code ?? "") : "");
  if (cloudCode) {
    const text = [status, cloudErrorText(cloudCode, last?.error?.text)].filter(Boolean).join(" ");
    const title = code === 4502 && isOurs(cloudCode) ? NOT_REACHED : entry.title;
    return { ...entry, title, text, detail: entry.text, after_s };
  }
  const error = sentence(last?.error?.text ?? "");
  return { ...entry, detail: [error, status].filter(Boolean).join(" "), after_s };
}

/**
 * A refused admission.
 * @param {{status: number, text: string, retryAfter_s: number|null}} error
 * @returns {Ending}
 */
export function endOfAdmission(error) {
  const words = refusalWords(error);
  const action = error.status === 403 || error.status === 404 ? "list" : "again";
  let button = "All instances";
  if (action === "again") {
    button = words.retry === "never" ? "Try again" : "Try now";
  }
  return { ...words, detail: "", after_s: error.retryAfter_s, action, button, picture: !UNSEEN.has(error.status) };
}
