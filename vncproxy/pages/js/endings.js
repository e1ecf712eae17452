/** Why an attempt is over, in words, and what comes next. Pure. */

import { consoleAt } from "./addresses.js";
import { closeCode, cloudCodeOf } from "./closecodes.js";
import { cloudFact, hasNoConsole, isThrottling } from "./clouderrors.js";
import { budgetFact } from "./states.js";
import { t } from "./texts.js";
import { refusalWords, sentence } from "./words.js";

/**
 * @typedef {object} Ending
 * @property {string} title
 * @property {string} text
 * @property {string} next what happens now
 * @property {string} detail
 * @property {string} codes the cloud's, for whoever asks its support
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
  title: t("This screen can’t be shown here"),
  text: t("The cloud’s server asks for a log-in, or speaks a kind of VNC, that neither vncproxy nor the screen in this page (noVNC) knows."),
  detail: t("The administrator finds what the server offered in vncproxy’s log, under console.opaque. Once the server was changed, “vncproxy forget” makes vncproxy look again at once."),
  retry: "never",
  action: "again",
  button: t("Try again"),
};

const BY_ITSELF = t("This page tries again by itself.");
const THROTTLED = 4429;
const REFUSED = 4502;

/** Ends that the viewer, a rule or a restart is the cause of: what was wrong with the link isn't. */
const NOT_OF_THE_LINK = new Set([1012, 4400, 4403, 4406, 4408, 4409, 4410, 4413]);

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
 *   budget?: {limit: number, counts_for: string},
 *   error?: import("./clouderrors.js").CloudFailure|null}|null} last the daemon's last state message
 * @param {{said?: string, began?: boolean, until_ms?: number|null}} [circumstances]
 *   said: why it is over, where the daemon said so; began: a screen had been shown; until_ms: when
 *   the wait is over that the daemon named
 * @returns {Ending}
 */
export function endOfSession({ code, reason }, last, { said = "", began = true, until_ms = null } = {}) {
  const { unopened, ...known } = closeCode(code);
  const [title, text] = began || !unopened ? [known.title, known.text] : unopened;
  const entry = { ...known, title, text, next: nextOf(known.retry), detail: "", codes: "", picture: !UNSEEN.has(code) };
  if (said && SAID.has(code)) {
    return { ...entry, text: said, after_s: null };
  }
  const after_s = last?.wait_s ?? null;
  if (last?.opaque && SILENT.has(code)) {
    return { ...entry, ...UNSUPPORTED, next: "", after_s };
  }
  if (code === THROTTLED) {
    return { ...entry, title: budgetFact(last?.budget), after_s };
  }
  const cloudCode = cloudCodeOf(reason) || (code === REFUSED ? (last?.error?.code ?? "") : "");
  if (cloudCode) {
    return { ...entry, after_s, ...cloudEnding(cloudCode, last, until_ms) };
  }
  const why = NOT_OF_THE_LINK.has(code) ? "" : (last?.error?.text ?? "");
  return { ...entry, detail: sentence(why), after_s };
}

/** A refusal of the cloud: the page comes back by itself only where it named a time. */
function cloudEnding(code, last, until_ms) {
  const told = last?.error?.code === code ? last.error : {};
  const fact = cloudFact({ ...told, code }, { status: last?.instance_status, until_ms });
  if (isThrottling(code)) {
    return { ...fact, retry: "after", button: t("Try now"), next: t("This page asks again by itself then.") };
  }
  return {
    ...fact,
    next: hasNoConsole(code)
      ? t("vncproxy doesn’t ask any more: try again once the instance is starting.")
      : t("Nothing is tried again by itself."),
  };
}

function nextOf(retry) {
  return retry === "never" ? "" : BY_ITSELF;
}

/**
 * A refused admission.
 * @param {{status: number, text: string, retryAfter_s: number|null}} error
 * @returns {Ending}
 */
export function endOfAdmission(error) {
  const words = refusalWords(error);
  const action = error.status === 403 || error.status === 404 ? "list" : "again";
  let button = t("All instances");
  if (action === "again") {
    button = words.retry === "never" ? t("Try again") : t("Try now");
  }
  return { ...words, next: nextOf(words.retry), detail: "", codes: "", after_s: error.retryAfter_s, action, button, picture: !UNSEEN.has(error.status) };
}

/**
 * What is said where another daemon has the console: which one, and the address of its page there.
 * @param {Ending} ending
 * @param {{name: string, url: string|null}|null|undefined} elsewhere as the daemon says
 * @param {string} instance
 * @returns {Ending & {link?: string}}
 */
export function withWayThere(ending, elsewhere, instance) {
  if (!elsewhere) {
    return ending;
  }
  return {
    ...ending,
    text: t("It is open at {name}. The cloud allows one VNC session for an instance: open it there, or close it there first.", { name: elsewhere.name }),
    detail: "",
    link: consoleAt(elsewhere.url, instance)?.href ?? "",
  };
}
