/**
 * Which keys the instance takes to be down, and what of it isn't so. Pure; time comes in as a function.
 *
 * Browsers keep some releases to themselves: after a dead key none comes, neither its own nor its
 * modifier's (Chromium on Linux), and on a Mac none of a key pressed with Meta. But every event says
 * which modifiers are down at that time. Source: UI Events, "Modifier keys"; tried with Chromium.
 */

/** A plain key that isn't repeated for so long has been let go of. */
export const RELEASED_AFTER_MS = 1_000;

/** Modifiers by the name that events have for them, with the key that is pressed where one is missing. */
const MODIFIERS = {
  Shift: { code: "ShiftLeft", location: 1 },
  Control: { code: "ControlLeft", location: 1 },
  Alt: { code: "AltLeft", location: 1 },
  AltGraph: { code: "AltRight", location: 2 },
  Meta: { code: "MetaLeft", location: 1 },
};

/** Whose state events name. */
export const MODIFIER_NAMES = Object.keys(MODIFIERS);

/** Keys whose release browsers don't tell: dead ones, and those that an input method takes. */
const UNTOLD = new Set(["Dead", "Process"]);

/** A Mac tells it as pressed while the lock is on; noVNC makes a press of each of its events. */
const LOCK = "CapsLock";

/** Presses and releases of it are the browser's own on Windows, where Ctrl comes with it. */
const ALT_GRAPH_CODE = "AltRight";

/**
 * @typedef {{code: string, key: string, repeat?: boolean, modifiers: Set<string>, onScreen: boolean}} KeyFact
 *   what an event says; modifiers: those of MODIFIER_NAMES that are down; onScreen: the instance gets it
 * @typedef {{down: boolean, code: string, key: string, location: number}} Correction
 *   a key event that the browser left out
 */

export class KeyState {
  #now;
  #held = new Map();

  /** @param {() => number} now in ms */
  constructor(now) {
    this.#now = now;
  }

  /** A key goes down. @param {KeyFact} fact @returns {Correction[]} to be told before it */
  keydown({ code, key, repeat = false, modifiers, onScreen }) {
    if (!onScreen || !code) {
      return this.#letGo(modifiers, null);
    }
    const kind = key in MODIFIERS ? key : null;
    const corrections = [];
    if (code !== ALT_GRAPH_CODE) {
      corrections.push(...this.#letGo(modifiers, kind, repeat ? code : null));
      if (kind === null && !repeat) {
        corrections.push(...this.#release((one) => one.code === code), ...this.#press(modifiers));
      }
    }
    if (code !== LOCK) {
      this.#held.set(code, { code, key, kind, modifiers: new Set(modifiers), at: this.#now() });
    }
    return corrections;
  }

  /** A key goes up. @param {KeyFact} fact @returns {Correction[]} to be told before it */
  keyup({ code, key, modifiers, onScreen }) {
    const one = this.#held.get(code);
    const kind = one?.kind ?? (key in MODIFIERS ? key : null);
    this.#held.delete(code);
    const corrections = this.#letGo(modifiers, kind);
    if (kind !== null && !modifiers.has(kind)) {
      corrections.push(...this.#release((other) => other.kind === kind));
    }
    return one && !onScreen ? [releaseOf(one), ...corrections] : corrections;
  }

  /** The pointer moves, or presses. @param {{modifiers: Set<string>, presses: boolean}} fact */
  pointer({ modifiers, presses }) {
    const corrections = this.#letGo(modifiers, null);
    return presses ? [...corrections, ...this.#press(modifiers)] : corrections;
  }

  /** Releases of plain keys that are down for too long without being repeated. */
  expire() {
    const limit = this.#now() - RELEASED_AFTER_MS;
    return this.#release(({ kind, at }) => kind === null && at <= limit);
  }

  /** How long until there is something to expire, in ms; null: nothing. */
  get expires_ms() {
    const times = [...this.#held.values()].filter(({ kind }) => kind === null).map(({ at }) => at);
    return times.length ? Math.max(0, Math.min(...times) + RELEASED_AFTER_MS - this.#now()) : null;
  }

  /** All keys were let go of by other means. */
  clear() {
    this.#held.clear();
  }

  /** Let go of what isn't down any more. @param {string|null} own a modifier that the event is about */
  #letGo(modifiers, own, repeated = null) {
    return this.#release((one) => {
      if (one.kind !== null) {
        return one.kind !== own && !modifiers.has(one.kind);
      }
      // Pressed with a modifier that is gone, nobody knows when its release would come.
      const bereft = [...one.modifiers].some((name) => name !== own && !modifiers.has(name));
      return one.code !== repeated && (UNTOLD.has(one.key) || bereft);
    });
  }

  /** Press modifiers that are down without having been pressed on the screen. */
  #press(modifiers) {
    const held = new Set([...this.#held.values()].map(({ kind }) => kind));
    const missing = [...modifiers].filter((name) => !held.has(name));
    return missing.filter((name) => isSure(name, modifiers, held)).map((name) => {
      const { code, location } = MODIFIERS[name];
      this.#held.set(code, { code, key: name, kind: name, modifiers: new Set(), at: this.#now() });
      return { down: true, code, key: name, location };
    });
  }

  /** @param {(one: object) => boolean} which */
  #release(which) {
    const released = [...this.#held.values()].filter(which);
    for (const { code } of released) {
      this.#held.delete(code);
    }
    return released.map(releaseOf);
  }
}

/** Whether a modifier that events call down is a key of its own. */
function isSure(name, modifiers, held) {
  if (name === "Shift" || name === "Meta") {
    return true;
  }
  // With AltGr some browsers call Ctrl and Alt down as well, and with a Mac's Alt some an AltGr.
  const several = [...modifiers, ...held].filter((one) => ["Control", "Alt"].includes(one)).length > 0;
  const altGraph = modifiers.has("AltGraph") || held.has("AltGraph");
  return name === "AltGraph" ? !several : !altGraph;
}

function releaseOf({ code, key, kind }) {
  let location = 0;
  if (kind !== null) {
    location = code.endsWith("Right") ? 2 : 1;
  }
  return { down: false, code, key, location };
}
