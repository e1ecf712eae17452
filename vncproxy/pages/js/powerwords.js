/** What the page says about starting, stopping and restarting an instance. Pure. */

/** @typedef {"start"|"stop"|"restart"} Action */

/**
 * What the daemon tells of an instance's power.
 * @typedef {object} PowerState
 * @property {string|null} status
 * @property {Action[]} fits
 * @property {{action: Action, force: boolean, seconds: number}|null} under_way
 * @property {{action: Action, force: boolean, done: boolean, text: string}|null} ended
 */

const NAMES = { start: "Start", stop: "Stop", restart: "Restart" };
const FORCED = { stop: "Cut the power…", restart: "Reset…" };
const BEING_DONE = { start: "being started", stop: "being stopped", restart: "being restarted" };

/**
 * What can be chosen, in order: what fits the status, and the power cut, also for a shutdown that hangs.
 * @param {PowerState} state
 * @returns {{action: Action, force: boolean, label: string}[]}
 */
export function choices({ status, fits, under_way: underWay }) {
  const plain = underWay ? [] : fits.map((action) => ({ action, force: false, label: NAMES[action] }));
  const hangs = underWay && !underWay.force && status === "Stopping";
  const forced = hangs ? [underWay.action] : plain.map(({ action }) => action);
  return [
    ...plain,
    ...forced.filter((action) => action in FORCED).map((action) => ({ action, force: true, label: FORCED[action] })),
  ];
}

/**
 * The question before it is done; null where nobody has to be asked.
 * @param {Action} action @param {boolean} force @param {string} name
 * @returns {{title: string, text: string, typed: string, button: string}|null} `typed`: what has to
 *   be typed first, "" if nothing
 */
export function question(action, force, name) {
  if (action === "start") {
    return null;
  }
  const again = action === "restart" ? " It starts again by itself." : " Its screen is gone until somebody starts it.";
  if (force) {
    return {
      title: action === "restart" ? `Reset ${name}?` : `Cut the power of ${name}?`,
      text: `This is as if somebody pulled its plug: whatever its system hasn’t written to its disk is lost, and files may be damaged.${again}`,
      typed: name,
      button: action === "restart" ? "Reset it" : "Cut the power",
    };
  }
  return {
    title: `${NAMES[action]} ${name}?`,
    text: `Its system is asked to shut down, as by its power button. Whoever works on it is interrupted.${again}`,
    typed: "",
    button: action === "restart" ? "Restart it" : "Stop it",
  };
}

/** How far it is, in a sentence. @param {PowerState} state @param {string} name */
export function progress({ status, under_way: underWay, ended }, name) {
  const is = status ? `${name} is ${status}.` : `What ${name} does isn’t known.`;
  if (underWay) {
    return `${name} is ${BEING_DONE[underWay.action]}. ${status ? `Its status is ${status}.` : ""}`.trim();
  }
  return ended && !ended.done ? ended.text : is;
}

/** What is said once the cloud has taken it. @param {Action} action @param {string} name */
export function taken(action, name) {
  return `The cloud has taken it: ${name} is ${BEING_DONE[action]}.`;
}
