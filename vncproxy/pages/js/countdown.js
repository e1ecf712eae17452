/** Counts down to an instant, by the monotonic clock, and calls when it is reached. */

const TICK_INTERVAL_MS = 250;

export class Countdown {
  #timer = 0;

  /**
   * Start anew: `tick` gets the seconds left, now and as they change; `done` is called once.
   * @param {number} seconds
   * @param {(left_s: number) => void} tick
   * @param {() => void} [done]
   */
  start(seconds, tick, done = () => {}) {
    this.stop();
    const deadline = performance.now() + seconds * 1000;
    const step = () => {
      const left_s = (deadline - performance.now()) / 1000;
      tick(Math.max(0, left_s));
      if (left_s <= 0) {
        this.stop();
        done();
      }
    };
    this.#timer = setInterval(step, TICK_INTERVAL_MS);
    step();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }
}
