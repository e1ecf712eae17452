/** How long the page waits before it tries again by itself. Pure: chance comes in as an argument. */

const FIRST_S = 1;
const LONGEST_S = 30;
const PAUSE_MIN_S = 0.5;
const PAUSE_MAX_S = 5;
const AFTER_DEFAULT_S = 60;
const AFTER_SPREAD_S = 3;

/**
 * Seconds to wait before try number `attempt` (0 is the first): doubles, up to 30, with jitter of
 * half of it, so that many pages that lost the same daemon don't come back in step.
 * @param {number} attempt
 * @param {number} chance in [0, 1)
 */
export function backoffPause(attempt, chance) {
  const whole = Math.min(LONGEST_S, FIRST_S * 2 ** Math.min(attempt, 16));
  return whole * (0.5 + chance / 2);
}

/**
 * Seconds to wait before the page tries again by itself, or null where it doesn't.
 * @param {"never"|"pause"|"backoff"|"after"} retry
 * @param {{attempt: number, after_s?: number|null, chance: number}} circumstances
 *   after_s: the seconds that the daemon named, if it did
 */
export function retryPause(retry, { attempt, after_s = null, chance }) {
  switch (retry) {
    case "pause":
      return attempt === 0
        ? PAUSE_MIN_S + chance * (PAUSE_MAX_S - PAUSE_MIN_S)
        : Math.max(PAUSE_MIN_S, backoffPause(attempt, chance));
    case "backoff":
      return backoffPause(attempt, chance);
    case "after":
      return (after_s ?? AFTER_DEFAULT_S) + chance * AFTER_SPREAD_S;
    default:
      return null;
  }
}
