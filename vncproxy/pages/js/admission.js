/** Admission to a console: the daemon has put the first one into the page, if it was at hand. */

import { admissionPath } from "./addresses.js";
import { call } from "./api.js";

/** What is in the page isn't used later: its ticket is good for 60 s, and once. */
const GIVEN_GOOD_MS = 30_000;

/** Taken out of the page, so that nothing finds it twice. */
function takeGiven() {
  const place = document.querySelector('meta[name="admission"]');
  const text = place?.content;
  place?.remove();
  if (!text || performance.now() > GIVEN_GOOD_MS) {
    return null;
  }
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Ask to be let in.
 * @param {string} instance
 * @param {{view: boolean, take: boolean}} wishes those of the page's address, for the first time
 * @returns {Promise<object>} as of `/api/v1/consoles/{instance}/admission`
 * @throws {import("./api.js").ApiError}
 */
export async function admission(instance, wishes) {
  return takeGiven() ?? call("GET", admissionPath(instance, wishes));
}
