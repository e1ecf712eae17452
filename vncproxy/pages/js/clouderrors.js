/** What a refusal of the cloud means: the fact, and what to do about it. Pure. */

import { t, together } from "./texts.js";
import { clockTime, sentence } from "./words.js";

/** What the cloud is asked for a console. */
const OPENING = "DescribeInstanceVncUrl";

const CREDENTIALS = t("Check the credentials that vncproxy uses.");

const WRONG_SECRET = together([t("It doesn’t belong to the AccessKey’s id."), CREDENTIALS]);

/**
 * Beginnings of the cloud's error codes, the longer ones first; the fact, and what to do. Those
 * without anything to do are vncproxy's own words: the daemon says what to do about them.
 */
const KNOWN = [
  ["InvalidInstanceId.NotFound", t("The cloud knows no such instance"), t("Check its id and region in the configuration. It may have been released.")],
  ["InvalidRegionInstance", t("The instance is in another region"), t("Correct its region in the configuration.")],
  ["InvalidRegionId", t("The cloud knows no such region"), t("Correct the instance’s region in the configuration.")],
  ["InvalidParameter", t("The cloud refused the instance’s id or region"), t("Check both in the configuration.")],
  ["MissingParameter", t("The cloud refused the instance’s id or region"), t("Check both in the configuration.")],
  ["IncorrectInstanceStatus", t("The instance has no console in its present state"), t("Start it, if it doesn’t start by itself.")],
  ["InstanceLockedForSecurity", t("The instance is locked for security"), t("The cloud locked it. The ECS console says why, and what unlocks it.")],
  ["InstanceNotReady", t("The instance isn’t ready yet"), t("The cloud is still preparing it: there is nothing to do but wait.")],
  ["InvalidAccessKeyId.Inactive", t("The AccessKey is disabled"), t("Enable it in the RAM console, or give vncproxy another one.")],
  ["Forbidden.AccessKey", t("The AccessKey is disabled"), t("Enable it in the RAM console, or give vncproxy another one.")],
  ["AccessKeyDisabled", t("The AccessKey is disabled"), t("Enable it in the RAM console, or give vncproxy another one.")],
  ["InactiveAccess", t("The AccessKey is disabled"), t("Enable it in the RAM console, or give vncproxy another one.")],
  ["Forbidden", t("RAM denies {action}"), t("The RAM policy of vncproxy’s account must allow it for the instance.")],
  ["InvalidAccessKeyId", t("The cloud doesn’t know the AccessKey"), CREDENTIALS],
  ["SignatureDoesNotMatch", t("The AccessKey secret is wrong"), WRONG_SECRET],
  ["IncompleteSignature", t("The AccessKey secret is wrong"), WRONG_SECRET],
  ["InvalidSecurityToken", t("The temporary credentials have expired"), t("Renew them: a new STS token didn’t help either.")],
  ["SecurityTokenExpired", t("The temporary credentials have expired"), t("Renew them: a new STS token didn’t help either.")],
  ["Throttling", t("Throttled by the cloud"), t("Its API is called too often by this account, not only by vncproxy. There is nothing to do but wait.")],
  ["InvalidTimeStamp", t("The clock of vncproxy’s machine is wrong"), t("Set it, by NTP for instance.")],
  ["ServiceUnavailable", t("The cloud’s ECS service is out of order"), t("There is nothing to do but wait.")],
  ["InternalError", t("The cloud’s ECS service had a fault"), t("There is nothing to do but wait.")],
  ["CertificateUnverified", t("The cloud’s certificate can’t be verified"), ""],
  ["TlsRefused", t("No TLS connection to the cloud"), ""],
  ["ProxyRefused", t("The proxy refused"), ""],
  ["GatewayRefused", t("The address that the cloud gave isn’t dialled"), ""],
  ["NoCredentials", t("vncproxy has no credentials for the cloud"), ""],
];

/** Codes of vncproxy's own for what stands between it and the cloud, or is missing here. */
const OURS = new Set(KNOWN.filter(([, , todo]) => !todo).map(([code]) => code));

/** An instance's state without a console, as a fact. */
const STATUS = {
  Running: [t("The instance’s console isn’t ready yet"), t("The instance is running: there is nothing to do but wait.")],
  Stopped: [t("The instance is stopped"), t("Start it.")],
  Stopping: [t("The instance is stopping"), t("Start it again once it has stopped.")],
  Starting: [t("The instance is starting"), t("There is nothing to do but wait.")],
  Pending: [t("The instance is being created"), t("There is nothing to do but wait.")],
};

/** Whether trying again is of any use while the instance's state has no console. @param {string|null|undefined} code */
export function hasNoConsole(code) {
  return /^(IncorrectInstanceStatus|InstanceNotReady)/.test(code ?? "");
}

/** Whether the cloud limits how often it is called. @param {string|null|undefined} code */
export function isThrottling(code) {
  return /^Throttling/.test(code ?? "");
}

/**
 * @typedef {object} CloudFailure as the daemon tells it
 * @property {string|null} code the cloud's, or one of vncproxy's own; null: there was none
 * @property {string} [text] what the daemon says of it
 * @property {string|null} [action] what was called
 * @property {string|null} [request_id] the cloud's
 */

/**
 * A failure with a code: the fact, what to do about it, and the codes for whoever asks the cloud.
 * @param {CloudFailure} failure
 * @param {{status?: string|null, until_ms?: number|null, action?: string}} [circumstances]
 *   status: the instance's; until_ms: when the cloud is asked again
 * @returns {{title: string, text: string, codes: string}}
 */
export function cloudFact({ code, text = "", action, request_id }, { status, until_ms = null } = {}) {
  const called = `ecs:${action || OPENING}`;
  const codes = [OURS.has(code) ? "" : code, request_id && t("request {id}", { id: request_id })].filter(Boolean).join("\n");
  if (STATUS[status] && hasNoConsole(code)) {
    const [title, todo] = STATUS[status];
    return { title, text: todo, codes };
  }
  const [, fact, todo] = KNOWN.find(([start]) => code?.startsWith(start)) ?? ["", t("The cloud answered with an error"), ""];
  const title = isThrottling(code) && until_ms !== null
    ? t("Throttled by the cloud until {time}", { time: clockTime(until_ms) })
    : fact;
  return {
    title: title.replace("{action}", called),
    text: todo || sentence(text) || t("“vncproxy check” tells more."),
    codes,
  };
}

/**
 * The same in a sentence or two, where there is no title.
 * @param {CloudFailure} failure
 * @param {string|null} [status] the instance's
 */
export function cloudErrorText(failure, status = null) {
  if (!failure.code) {
    return sentence(failure.text ?? "") || t("“vncproxy check” tells more.");
  }
  const { title, text, codes } = cloudFact(failure, { status });
  return together([sentence(title), text, codes && `(${codes.replace("\n", ", ")})`]);
}
