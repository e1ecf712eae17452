/** Follows what the cloud was asked for until it is done. Time and the daemon come in as functions. */

import { progress } from "./powerwords.js";
import { t } from "./texts.js";
import { statusName } from "./words.js";

const POLL_INTERVAL_S = 1;

/** Log-in, right or instance are gone: asking again is of no use. */
const FINAL = new Set([401, 403, 404]);

/**
 * Ask for the state until nothing is under way any more, and tell of each status on the way.
 *
 * @param {string} name what people call the instance
 * @param {object} how
 * @param {() => Promise<import("./powerwords.js").PowerState>} how.ask
 * @param {(seconds: number) => Promise<void>} how.sleep
 * @param {() => boolean} how.wanted false: something else is followed by now
 * @param {(level: "info"|"warning", text: string) => void} how.notice
 * @returns {Promise<boolean>} whether it is known to run in the end
 */
export async function followPower(name, { ask, sleep, wanted, notice }) {
  let status = "";
  for (;;) {
    await sleep(POLL_INTERVAL_S);
    if (!wanted()) {
      return false;
    }
    let state;
    try {
      state = await ask();
    } catch (error) {
      if (FINAL.has(error.status)) {
        return false;
      }
      // The console's own card says what is wrong.
      continue;
    }
    if (!state.under_way) {
      notice(state.ended && !state.ended.done ? "warning" : "info", progress(state, name));
      return state.status === "Running";
    }
    if (state.status && state.status !== status) {
      status = state.status;
      notice("info", t("{name} is {status}.", { name, status: statusName(status) }));
    }
  }
}
