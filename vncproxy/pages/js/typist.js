/** Types a list of strokes at a bounded pace. Time and keys come in as functions. */

import { KEYS } from "./keysyms.js";

/** Why typing stopped before its end. */
export class TypingStopped extends Error {}

const READY_POLL_S = 0.05;

/**
 * QEMU takes so long for each key that goes down or up; some 340 of them may wait, what comes on top is lost.
 * Source: QEMU, -vnc, key-delay-ms; ui/input.c, queue_limit.
 */
const KEY_CHANGE_S = 0.01;

/**
 * Type `strokes`; resolves with the number typed once all are.
 *
 * @param {import("./strokes.js").Stroke[]} strokes
 * @param {object} how
 * @param {(keysym: number, code: string|null, down: boolean) => void} how.press
 * @param {number} how.perSecond strokes a second, at most; those with Shift are at most 25
 * @param {() => "yes"|"wait"|"no"|"taken"} how.ready "wait": the way out is full; "no": the link is gone; "taken":
 *   somebody else controls
 * @param {(seconds: number) => Promise<void>} how.sleep
 * @param {(done: number) => void} how.progress
 * @param {AbortSignal} how.signal
 * @throws {TypingStopped} "cancelled", "link" when that went away, or "control"; `typed` says how far it came
 */
export async function typeStrokes(strokes, { press, perSecond, ready, sleep, progress, signal }) {
  const pause_s = 1 / perSecond;
  let typed = 0;
  const stopped = (why) => Object.assign(new TypingStopped(why), { typed });
  for (const { keysym, code, shift, altGr } of strokes) {
    for (let state = ready(); state !== "yes"; state = ready()) {
      if (signal.aborted) {
        throw stopped("cancelled");
      }
      if (state !== "wait") {
        throw stopped(state === "taken" ? "control" : "link");
      }
      await sleep(READY_POLL_S);
    }
    if (signal.aborted) {
      throw stopped("cancelled");
    }
    const held = [shift && KEYS.Shift, altGr && KEYS.AltGr].filter(Boolean);
    for (const key of held) {
      press(...key, true);
    }
    press(keysym, code, true);
    press(keysym, code, false);
    for (const key of held.reverse()) {
      press(...key, false);
    }
    typed += 1;
    progress(typed);
    await sleep(Math.max(pause_s, KEY_CHANGE_S * (2 + 2 * held.length)));
  }
  return typed;
}
