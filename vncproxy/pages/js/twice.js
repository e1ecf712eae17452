/** What does harm must be pressed twice; a double click is one press. Pure; time comes in as a function. */

/** So long a button waits to be pressed a second time. */
export const SURE_MS = 4_000;

/** Who presses again so soon hasn't read what was asked. Windows counts 500 ms, and 900 at most, as a double click. */
export const DOUBLE_CLICK_MS = 700;

export class Twice {
  #now;
  #asked_ms = null;

  /** @param {() => number} now in ms */
  constructor(now) {
    this.#now = now;
  }

  /** It is pressed. @returns {"ask"|"wait"|"go"} ask: for the second press; wait: it came too soon to count */
  press() {
    const since_ms = this.#asked_ms === null ? Infinity : this.#now() - this.#asked_ms;
    if (since_ms >= SURE_MS) {
      this.#asked_ms = this.#now();
      return "ask";
    }
    if (since_ms < DOUBLE_CLICK_MS) {
      return "wait";
    }
    this.#asked_ms = null;
    return "go";
  }
}
