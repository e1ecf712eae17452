/** What this browser remembers of instances: favourites, and when each was opened last. */

import { recall, remember } from "./choices.js";

const FAVOURITES = "favourites";
const USED = "used";

/** More are no favourites; of the others the latest are kept. */
const MOST = 500;

function read(name, otherwise) {
  try {
    const value = JSON.parse(recall(name));
    return value !== null && typeof value === "object" && Array.isArray(value) === Array.isArray(otherwise) ? value : otherwise;
  } catch {
    // Something else is kept there.
    return otherwise;
  }
}

function write(name, value) {
  remember(name, JSON.stringify(value));
}

/** @returns {import("./finding.js").Memory} */
export function memory() {
  return { favourites: read(FAVOURITES, []), used: read(USED, {}) };
}

/** Make an instance a favourite, or no longer one. @param {string} id @param {boolean} is */
export function like(id, is) {
  const others = read(FAVOURITES, []).filter((one) => one !== id);
  write(FAVOURITES, is ? [...others, id].slice(-MOST) : others);
}

/** An instance is opened. @param {string} id @param {number} at_ms */
export function use(id, at_ms) {
  const used = { ...read(USED, {}), [id]: at_ms };
  const latest = Object.entries(used).sort(([, a], [, b]) => b - a).slice(0, MOST);
  write(USED, Object.fromEntries(latest));
}
