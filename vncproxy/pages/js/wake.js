/** Notices a screen that stays black and offers to wake it by one press of Shift. */

import { byId } from "./elements.js";

const FIRST_LOOK_MS = 4_000;
const LOOK_INTERVAL_MS = 15_000;
const AFTER_WAKE_MS = 3_000;

/**
 * @param {import("./screen.js").Screen} screen
 * @param {() => boolean} linkIsUp
 */
export function buildWakeHint(screen, linkIsUp) {
  const hint = byId("wake");
  let dismissed = false;
  let timer = 0;

  function look() {
    if (!document.hidden) {
      const black = linkIsUp() && screen.isBlack();
      hint.hidden = !black || dismissed || !screen.mayType;
      dismissed &&= black;
    }
    schedule(LOOK_INTERVAL_MS);
  }

  function schedule(after_ms) {
    clearTimeout(timer);
    timer = setTimeout(look, after_ms);
  }

  byId("wake-button").addEventListener("click", () => {
    screen.tap("Shift");
    hint.hidden = true;
    screen.focus();
    schedule(AFTER_WAKE_MS);
  });
  byId("wake-dismiss").addEventListener("click", () => {
    dismissed = true;
    hint.hidden = true;
    screen.focus();
  });
  screen.addEventListener("picture", () => schedule(FIRST_LOOK_MS));

  /** Take the hint away, as when the link is gone. */
  return () => {
    hint.hidden = true;
  };
}
