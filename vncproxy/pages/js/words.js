/** What the page says about the console's states, the cloud's errors and refusals. Pure. */

/** Titles of the states of the control channel; a state without one shows the screen. */
const STATES = {
  idle: {
    title: "Getting the console ready",
    text: "vncproxy is about to open the link to the instance.",
  },
  "waiting-budget": {
    title: "Waiting for a free connection",
    text: "The connections that the cloud allows in a minute are used up. vncproxy takes the next one that becomes free.",
  },
  "fetching-url": {
    title: "Asking the cloud for the console",
    text: "vncproxy fetches a fresh address for this instance, valid for 15 seconds.",
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
    text: "The last try failed; the next one follows.",
  },
  resuming: {
    title: "Bringing the link back",
    text: "The link to the cloud is down; vncproxy replaces it.",
  },
};

const LAST_PICTURE = "What you see is the last picture. What you type now isn’t passed on.";

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

/**
 * The words for a state message of the control channel, or null where the screen is to be seen.
 * @param {{state: string, text?: string, instance_status?: string|null,
 *   error?: {code: string|null, text: string}|null, attempt?: number}} message
 * @param {boolean} [hasPicture] whether a picture from before is behind the words
 * @returns {{title: string, text: string, detail: string}|null}
 */
export function stateWords(message, hasPicture = false) {
  const shown = shownState(message, hasPicture);
  const known = STATES[shown];
  if (!known) {
    return null;
  }
  const details = hasPicture ? [LAST_PICTURE] : [];
  if (message.error) {
    details.push(cloudErrorText(message.error.code, message.error.text));
  }
  if (message.instance_status) {
    details.push(`The instance is ${message.instance_status}.`);
  }
  if (message.attempt > 1) {
    details.push(`${message.attempt} tries so far.`);
  }
  const text = shown === message.state ? message.text || known.text : known.text;
  return { title: known.title, text, detail: details.join(" ") };
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
  if (passes && attempt <= 1) {
    return "idle";
  }
  return passes || state === "resuming" ? "retrying" : state;
}

/** A state's short name. @param {string} state */
export function stateName(state) {
  return SHORT[state] ?? state;
}

/** What the cloud is asked for a console. */
const OPENING = "ecs:DescribeInstanceVncUrl for this instance";

/** Beginnings of the cloud's error codes, the longer ones first, and what to do about them. */
const CLOUD = [
  ["InvalidInstanceId.NotFound", "There is no such instance in this region: check its id and region in the configuration."],
  ["InvalidRegionInstance", "The instance is in another region than the configuration says."],
  ["InvalidRegionId", "There is no such region: check the region in the configuration."],
  ["IncorrectInstanceStatus", "The instance isn’t in a state that has a console: start it, if it doesn’t start by itself."],
  ["InstanceNotReady", "The instance is still being prepared: try again in a minute."],
  ["Forbidden", "The account may not do this: its RAM policy must allow ACTION."],
  ["InvalidAccessKeyId.Inactive", "The AccessKey is disabled: enable it, or give vncproxy another one."],
  ["InvalidAccessKeyId", "The AccessKey is unknown or disabled: check the credentials that vncproxy uses."],
  ["SignatureDoesNotMatch", "The AccessKey secret doesn’t belong to its id: check the credentials that vncproxy uses."],
  ["IncompleteSignature", "The AccessKey secret doesn’t belong to its id: check the credentials that vncproxy uses."],
  ["InvalidSecurityToken", "The temporary credentials have expired."],
  ["Throttling", "The cloud is asked too often just now: try again in a minute."],
  ["InvalidTimeStamp", "The clock of the machine that runs vncproxy is wrong."],
  ["ServiceUnavailable", "The cloud’s service is out of order just now: try again in a minute."],
  ["InternalError", "The cloud’s service had a fault: try again in a minute."],
];

/** Words of the daemon's own for what stands between it and the cloud, or is missing here. */
const OURS = new Set(["CertificateUnverified", "TlsRefused", "ProxyRefused", "GatewayRefused", "NoCredentials"]);

/** Whether a code is the daemon's own and not the cloud's. @param {string|null} code */
export function isOurs(code) {
  return OURS.has(code ?? "");
}

/**
 * A sentence on a cloud's error code and what to do about it.
 * @param {string|null} code null where the cloud gave none
 * @param {string} [text] what the daemon says of it
 * @param {string} [action] what the cloud was asked to do
 */
export function cloudErrorText(code, text = "", action = OPENING) {
  const hint = (CLOUD.find(([start]) => code?.startsWith(start))?.[1] ?? "").replace("ACTION", action);
  const named = code && !isOurs(code) ? `The cloud’s code is ${code}.` : "";
  const fallback = "“vncproxy check” tells more.";
  return [hint || sentence(text) || fallback, named].filter(Boolean).join(" ");
}

/** The daemon's words as a sentence: with a capital and a full stop. @param {string} text */
export function sentence(text) {
  const said = text.trim();
  if (!said) {
    return "";
  }
  const whole = said[0].toUpperCase() + said.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

/** Several texts as one to be read out. @param {...string} texts */
export function spoken(...texts) {
  return texts.map(sentence).filter(Boolean).join(" ");
}

/** Refusals of doors that know their visitors by themselves: there is nothing to log in with. */
const UNKNOWN_HERE = new Set(["no-account", "not-a-proxy", "no-secret", "wrong-secret", "no-user", "no-tokens"]);

/** Whether a log-in is what a refusal asks for. @param {{status: number, word?: string}} error */
export function wantsLogin({ status, word }) {
  return status === 401 && !UNKNOWN_HERE.has(word);
}

const REFUSALS = {
  0: ["vncproxy can’t be reached", "See whether “vncproxy serve” is running and, with a tunnel, whether the tunnel is up."],
  400: ["The request was wrong", "Reload the page; it may be from another version of vncproxy."],
  401: ["Log in first", "Your log-in is missing or has run out."],
  403: ["Not allowed", "You may not open this console, or the page was opened from a foreign site."],
  404: ["No such instance", "There is no instance of this name that you may open."],
  409: ["Another vncproxy has this console", "The cloud allows one VNC session for an instance, and another daemon holds it."],
  421: ["Wrong host name", "vncproxy isn’t meant to be reached under this name: add it to allowed_hosts, or open it by localhost."],
  429: ["Too many at once", "A limit of vncproxy is reached."],
  503: ["Not possible just now", "vncproxy is stopping, or it can’t write its records."],
};

/**
 * The words for a refused request.
 * @param {{status: number, text: string, word?: string}} error
 * @returns {{title: string, text: string, retry: "never"|"backoff"|"after"}}
 */
export function refusalWords({ status, text, word }) {
  const [title, fallback] = UNKNOWN_HERE.has(word)
    ? ["You aren’t known here", ""]
    : (REFUSALS[status] ?? ["vncproxy answered with an error", `The status was ${status}.`]);
  let retry = "never";
  if (status === 429 || status === 503) {
    retry = "after";
  } else if (status === 0 || status === 408 || status >= 500) {
    retry = "backoff";
  }
  return { title, text: text || fallback, retry };
}

const KEEPALIVE = {
  pointer: "Kept open by vncproxy’s pointer messages",
  key: "Kept open by vncproxy’s key presses",
};

/** What keeps the link open, in a few words. @param {string|undefined} kind */
export function keepaliveWords(kind) {
  return kind ? (KEEPALIVE[kind] ?? "Kept open by vncproxy") : "";
}

/** A number of things. @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** What became of keys that were pressed while there was no link. @param {number} count */
export function wentNowhere(count) {
  return count === 1 ? "1 key that you pressed went nowhere" : `${count} keys that you pressed went nowhere`;
}

/** Seconds left, for people: `7 s`, `1 min 05 s`. @param {number} seconds */
export function timeLeft(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/**
 * What people call an instance: the alias of the configuration, else its name in the cloud.
 * @param {{alias: string|null, id: string, name?: string}} instance the alias may be the id
 */
export function titleOf({ alias, id, name }) {
  return alias && alias !== id ? alias : name || id;
}

/**
 * Where an instance is, besides its title.
 * @param {{alias: string|null, id: string, region: string, windows: boolean, name?: string}} instance
 */
export function placeOf({ alias, id, region, windows, name }) {
  const shown = titleOf({ alias, id, name });
  const more = [name === shown ? "" : name, id === shown ? "" : id, region, windows ? "Windows" : ""];
  return more.filter(Boolean).join(" · ");
}
