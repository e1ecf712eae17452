/** Counts the keys that are pressed while the card is over the screen: nobody else hears of them. */

const MODIFIERS = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "NumLock", "Fn"]);

/** Where every key has a use of its own; those of the screen reach the daemon, which counts them. */
const USED_BY = "input, select, textarea, #screen";
const PRESSED_BY_KEYS = "button, a";
const PRESSING = new Set(["Enter", " "]);

/**
 * Whether a key was meant for the instance. Pure.
 * @param {{key: string, repeat: boolean, target: {closest?: (selector: string) => unknown}}} event
 */
export function isLost({ key, repeat, target }) {
  if (repeat || key === "Tab" || MODIFIERS.has(key) || target?.closest?.(USED_BY)) {
    return false;
  }
  return !(PRESSING.has(key) && target?.closest?.(PRESSED_BY_KEYS));
}

export class UnsentKeys {
  #count = 0;

  /**
   * @param {EventTarget} source of key events
   * @param {() => boolean} covers whether the card is over a screen that was typed into
   * @param {(count: number) => void} changed
   */
  constructor(source, covers, changed) {
    source.addEventListener("keydown", (event) => {
      if (covers() && isLost(event)) {
        this.#count += 1;
        changed(this.#count);
      }
    });
  }

  /** How many there were since they were last taken. */
  take() {
    const count = this.#count;
    this.#count = 0;
    return count;
  }
}
