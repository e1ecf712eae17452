/** What a refusal of the cloud means: the fact, and what to do about it. Pure. */

import { clockTime, sentence } from "./words.js";

/** What the cloud is asked for a console. */
const OPENING = "DescribeInstanceVncUrl";

const CREDENTIALS = "Check the credentials that vncproxy uses.";

/**
 * Beginnings of the cloud's error codes, the longer ones first; the fact, and what to do. Those
 * without anything to do are vncproxy's own words: the daemon says what to do about them.
 */
const KNOWN = [
  ["InvalidInstanceId.NotFound", "The cloud knows no such instance", "Check its id and region in the configuration. It may have been released."],
  ["InvalidRegionInstance", "The instance is in another region", "Correct its region in the configuration."],
  ["InvalidRegionId", "The cloud knows no such region", "Correct the instance’s region in the configuration."],
  ["InvalidParameter", "The cloud refused the instance’s id or region", "Check both in the configuration."],
  ["MissingParameter", "The cloud refused the instance’s id or region", "Check both in the configuration."],
  ["IncorrectInstanceStatus", "The instance has no console in its present state", "Start it, if it doesn’t start by itself."],
  ["InstanceNotReady", "The instance isn’t ready yet", "The cloud is still preparing it: there is nothing to do but wait."],
  ["InvalidAccessKeyId.Inactive", "The AccessKey is disabled", "Enable it in the RAM console, or give vncproxy another one."],
  ["Forbidden.AccessKey", "The AccessKey is disabled", "Enable it in the RAM console, or give vncproxy another one."],
  ["AccessKeyDisabled", "The AccessKey is disabled", "Enable it in the RAM console, or give vncproxy another one."],
  ["InactiveAccess", "The AccessKey is disabled", "Enable it in the RAM console, or give vncproxy another one."],
  ["Forbidden", "RAM denies ACTION", "The RAM policy of vncproxy’s account must allow it for the instance."],
  ["InvalidAccessKeyId", "The cloud doesn’t know the AccessKey", CREDENTIALS],
  ["SignatureDoesNotMatch", "The AccessKey secret is wrong", `It doesn’t belong to the AccessKey’s id. ${CREDENTIALS}`],
  ["IncompleteSignature", "The AccessKey secret is wrong", `It doesn’t belong to the AccessKey’s id. ${CREDENTIALS}`],
  ["InvalidSecurityToken", "The temporary credentials have expired", "Renew them: a new STS token didn’t help either."],
  ["SecurityTokenExpired", "The temporary credentials have expired", "Renew them: a new STS token didn’t help either."],
  ["Throttling", "Throttled by the cloud", "Its API is called too often by this account, not only by vncproxy. There is nothing to do but wait."],
  ["InvalidTimeStamp", "The clock of vncproxy’s machine is wrong", "Set it, by NTP for instance."],
  ["ServiceUnavailable", "The cloud’s ECS service is out of order", "There is nothing to do but wait."],
  ["InternalError", "The cloud’s ECS service had a fault", "There is nothing to do but wait."],
  ["CertificateUnverified", "The cloud’s certificate can’t be verified", ""],
  ["TlsRefused", "No TLS connection to the cloud", ""],
  ["ProxyRefused", "The proxy refused", ""],
  ["GatewayRefused", "The address that the cloud gave isn’t dialled", ""],
  ["NoCredentials", "vncproxy has no credentials for the cloud", ""],
];

/** Codes of vncproxy's own for what stands between it and the cloud, or is missing here. */
const OURS = new Set(KNOWN.filter(([, , todo]) => !todo).map(([code]) => code));

/** An instance's state without a console, as a fact. */
const STATUS = {
  Running: ["The instance’s console isn’t ready yet", "The instance is running: there is nothing to do but wait."],
  Stopped: ["The instance is stopped", "Start it."],
  Stopping: ["The instance is stopping", "Start it again once it has stopped."],
  Starting: ["The instance is starting", "There is nothing to do but wait."],
  Pending: ["The instance is being created", "There is nothing to do but wait."],
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
  const codes = [OURS.has(code) ? "" : code, request_id && `request ${request_id}`].filter(Boolean).join("\n");
  if (STATUS[status] && hasNoConsole(code)) {
    const [title, todo] = STATUS[status];
    return { title, text: todo, codes };
  }
  const [, fact, todo] = KNOWN.find(([start]) => code?.startsWith(start)) ?? ["", "The cloud answered with an error", ""];
  const title = isThrottling(code) && until_ms !== null ? `${fact} until ${clockTime(until_ms)}` : fact;
  return {
    title: title.replace("ACTION", called),
    text: todo || sentence(text) || "“vncproxy check” tells more.",
    codes,
  };
}

/**
 * The same in a sentence or two, where there is no title.
 * @param {CloudFailure} failure
 */
export function cloudErrorText(failure) {
  if (!failure.code) {
    return sentence(failure.text ?? "") || "“vncproxy check” tells more.";
  }
  const { title, text, codes } = cloudFact(failure);
  return [sentence(title), text, codes && `(${codes.replace("\n", ", ")})`].filter(Boolean).join(" ");
}
