/** What the page says about starting, stopping and restarting an instance. Pure. */

import { t, together } from "./texts.js";
import { statusName } from "./words.js";

/** @typedef {"start"|"stop"|"restart"} Action */

/**
 * What the daemon tells of an instance's power.
 * @typedef {object} PowerState
 * @property {string|null} status
 * @property {Action[]} fits
 * @property {{action: Action, force: boolean, seconds: number}|null} under_way
 * @property {{action: Action, force: boolean, done: boolean, text: string}|null} ended
 */

const NAMES = { start: t("Start"), stop: t("Stop"), restart: t("Restart") };
const FORCED = { stop: t("Cut the power…"), restart: t("Reset…") };
const BEING_DONE = {
  start: t("{name} is being started."),
  stop: t("{name} is being stopped."),
  restart: t("{name} is being restarted."),
};
const QUESTIONS = { stop: t("Stop {name}?"), restart: t("Restart {name}?") };

function withName(text, name) {
  return text.replace("{name}", () => name);
}

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
  const again = action === "restart"
    ? t("It starts again by itself.")
    : t("Its screen is gone until somebody starts it.");
  if (force) {
    return {
      title: action === "restart" ? t("Reset {name}?", { name }) : t("Cut the power of {name}?", { name }),
      text: together([
        t("This is as if somebody pulled its plug: whatever its system hasn’t written to its disk is lost, and files may be damaged."),
        again,
      ]),
      typed: name,
      button: action === "restart" ? t("Reset it") : t("Cut the power"),
    };
  }
  return {
    title: withName(QUESTIONS[action], name),
    text: together([
      t("Its system is asked to shut down, as by its power button. Anybody who works on it is interrupted."),
      again,
    ]),
    typed: "",
    button: action === "restart" ? t("Restart it") : t("Stop it"),
  };
}

/** How far it is, in a sentence. @param {PowerState} state @param {string} name */
export function progress({ status, under_way: underWay, ended }, name) {
  const shown = status && statusName(status);
  const is = status ? t("{name} is {status}.", { name, status: shown }) : t("What {name} does isn’t known.", { name });
  if (underWay) {
    return together([
      withName(BEING_DONE[underWay.action], name),
      status && t("Its status is {status}.", { status: shown }),
    ]);
  }
  return ended && !ended.done ? ended.text : is;
}

/** What is said once the cloud has taken it. @param {Action} action @param {string} name */
export function taken(action, name) {
  return together([t("The cloud has taken it."), withName(BEING_DONE[action], name)]);
}
