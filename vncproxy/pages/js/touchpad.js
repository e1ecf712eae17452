/** One finger moves the pointer, as on a laptop's touchpad: what touches mean then. Pure. */

/** A touch that moves less is a tap. */
const TAP_PX = 8;

/** So long a finger rests until what it then does is done with the button held. */
export const HOLD_MS = 500;

const TAP_MS = 300;

/** How far the pointer goes for a finger. */
const SPEED = 1.6;

/** How much two fingers come apart until that is no scrolling. */
const PINCH_PX = 24;

const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
const distance = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);

/**
 * Takes lists of the fingers that are down, {id, x, y} each, and says what they do:
 * `move` {dx, dy}, `click` {button: "left"|"right"}, `press` and `release` of the left button,
 * `scroll` {dx, dy} since the fingers came down, `pinch` {ratio, from, to} likewise.
 */
export class Touchpad {
  #now;
  #last = [];
  #start = [];
  #at = 0;
  #most = 0;
  #moved = false;
  #holds = false;
  #two = null;

  /** @param {() => number} now in ms */
  constructor(now) {
    this.#now = now;
  }

  /** Fingers came down, moved, or went up. @param {{id: number, x: number, y: number}[]} fingers */
  touched(fingers) {
    if (fingers.length > this.#last.length) {
      return this.#down(fingers);
    }
    return fingers.length < this.#last.length ? this.#up(fingers) : this.#move(fingers);
  }

  /** The finger has rested for HOLD_MS. */
  rested() {
    if (this.#last.length !== 1 || this.#most !== 1 || this.#moved) {
      return [];
    }
    this.#holds = true;
    return [{ type: "press" }];
  }

  #down(fingers) {
    if (this.#last.length === 0) {
      this.#at = this.#now();
      this.#moved = false;
      this.#most = 0;
      this.#two = null;
    }
    this.#most = Math.max(this.#most, fingers.length);
    this.#last = this.#start = fingers;
    return this.#letGo();
  }

  #up(fingers) {
    const told = this.#letGo();
    if (fingers.length === 0 && told.length === 0 && !this.#moved && this.#now() - this.#at < TAP_MS && this.#most <= 2) {
      told.push({ type: "click", button: this.#most === 2 ? "right" : "left" });
    }
    this.#last = this.#start = fingers;
    // One finger that stays behind two moves nothing.
    this.#two = null;
    return told;
  }

  #letGo() {
    const held = this.#holds;
    this.#holds = false;
    return held ? [{ type: "release" }] : [];
  }

  #move(fingers) {
    const before = this.#last;
    const far = fingers.some(({ x, y }, at) => Math.hypot(x - this.#start[at].x, y - this.#start[at].y) > TAP_PX);
    this.#moved ||= far;
    if (!this.#moved) {
      return [];
    }
    this.#last = fingers;
    if (fingers.length === 2) {
      return this.#moveTwo(fingers);
    }
    if (fingers.length !== 1 || this.#most !== 1) {
      return [];
    }
    return [{ type: "move", dx: SPEED * (fingers[0].x - before[0].x), dy: SPEED * (fingers[0].y - before[0].y) }];
  }

  #moveTwo(fingers) {
    const apart = distance(fingers) - distance(this.#start);
    const [from, to] = [middle(this.#start), middle(fingers)];
    const moved = Math.hypot(to.x - from.x, to.y - from.y);
    if (this.#two === null && Math.max(Math.abs(apart), moved) > PINCH_PX) {
      this.#two = Math.abs(apart) > moved ? "pinch" : "scroll";
    }
    if (this.#two === null) {
      return [];
    }
    return this.#two === "pinch"
      ? [{ type: "pinch", ratio: distance(fingers) / distance(this.#start), from, to }]
      : [{ type: "scroll", dx: to.x - from.x, dy: to.y - from.y }];
  }
}
