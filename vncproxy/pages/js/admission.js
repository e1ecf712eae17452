/** Admission to a console: the daemon has put the first one into the page, if it was at hand. */

import { admissionPath } from "./addresses.js";
import { call } from "./api.js";

/** What is in the page isn't used later: its ticket is good for 60 s, and once. */
const GIVEN_GOOD_MS = 30_000;

/**
 * Gives a WebSocket's messages that came already, and those that come meanwhile, to who listens next.
 * @param {WebSocket} stream
 * @param {MessageEvent[]} came where its messages are put until then
 */
function handOver(stream, came) {
  Object.defineProperty(stream, "onmessage", {
    configurable: true,
    get: () => null,
    set(heed) {
      // Not at once: noVNC still has to look whether the WebSocket is open.
      setTimeout(() => {
        delete stream.onmessage;
        stream.onmessage = heed;
        came.splice(0).forEach(heed);
      });
    },
  });
  return stream;
}

/** Taken out of the page, so that nothing finds it twice. */
function takeGiven() {
  const place = document.querySelector('meta[name="admission"]');
  const text = place?.content;
  place?.remove();
  const early = globalThis.vncproxyStream;
  if (!text || !early) {
    return null;
  }
  const { stream, came, end } = early;
  if (performance.now() > GIVEN_GOOD_MS) {
    stream.close();
    return null;
  }
  return { ...JSON.parse(text), early: { stream: handOver(stream, came), end } };
}

/**
 * Ask to be let in.
 * @param {string} instance
 * @param {{view: boolean, take: boolean}} wishes those of the page's address, for the first time
 * @returns {Promise<object>} as of `/api/v1/consoles/{instance}/admission`; with `early`, if the
 *   screen's WebSocket was opened already: it, and how it ended, if it has
 * @throws {import("./api.js").ApiError}
 */
export async function admission(instance, wishes) {
  return takeGiven() ?? call("GET", admissionPath(instance, wishes));
}
