/** Where a moment of a recording is, and how it is said. Pure. */

import { dayAndTime, offsetOf, t, tn, together } from "./texts.js";
import { sentence } from "./words.js";

/**
 * The block from which to play to see the picture at a moment.
 * @param {{time_ms: number, whole: boolean}[]} blocks in order of time
 * @param {number} at_ms
 */
export function blockAt(blocks, at_ms) {
  let number = 0;
  for (const [index, block] of blocks.entries()) {
    if (block.time_ms > at_ms) {
      break;
    }
    if (block.whole) {
      number = index;
    }
  }
  return number;
}

/**
 * The next block that needs none before it, or null.
 * @param {{whole: boolean}[]} blocks
 * @param {number} number
 */
export function wholeAfter(blocks, number) {
  const found = blocks.findIndex((block, index) => index > number && block.whole);
  return found < 0 ? null : found;
}

/** A length of time: `0:07`, `12:30`, `1:02:03`. @param {number} time_ms */
export function lengthText(time_ms) {
  const whole = Math.max(0, Math.floor(time_ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** A length of time for a screen reader. @param {number} time_ms */
export function spokenLength(time_ms) {
  const whole = Math.max(0, Math.floor(time_ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const parts = [
    hours && tn(hours, "{count} hour", "{count} hours"),
    minutes && tn(minutes, "{count} minute", "{count} minutes"),
    (seconds || !whole) && tn(seconds, "{count} second", "{count} seconds"),
  ];
  return parts.filter(Boolean).join(" ");
}

/** A moment in the browser's own zone, which is named: the audit's is UTC. @param {number} at_ms since 1970 */
export function momentText(at_ms) {
  const at = new Date(at_ms);
  return `${dayAndTime(at)} (${offsetOf(at)})`;
}

/** What happened, in words, for the marks of the seek bar. */
const NOTES = {
  "link-lost": t("The link to the cloud was lost"),
  "link-renewed": t("Another link took its place"),
  gap: t("Up to here something couldn’t be recorded"),
};

/** @param {string} what */
export function noteText(what) {
  return NOTES[what] ?? what;
}

/**
 * Whether a moment is in a part that is damaged.
 * @param {{from_ms: number, to_ms: number}[]} damage
 * @param {number} at_ms
 */
export function isDamagedAt(damage, at_ms) {
  return damage.some(({ from_ms, to_ms }) => at_ms >= from_ms && at_ms < to_ms);
}

/** A damaged part, in words. @param {{from_ms: number, to_ms: number}} span */
export function damageText({ from_ms, to_ms }) {
  return t("Damaged from {start} to {end}: what the screen showed isn’t known", {
    start: lengthText(from_ms),
    end: lengthText(to_ms),
  });
}

/**
 * What a recording lacks, or null.
 * @param {{complete: boolean, ended: boolean, damage: {from_ms: number, to_ms: number}[]}} contents
 */
export function lackOf({ complete, ended, damage }) {
  if (damage.length) {
    return { word: t("Damaged"), text: together([...damage.map(damageText).map(sentence), t("The rest is as it was written.")]) };
  }
  if (!ended) {
    return {
      word: t("No proper end"),
      text: t("It still runs, the daemon crashed, or the disk was full: it goes as far as it was written."),
    };
  }
  return complete
    ? null
    : { word: t("Parts are missing"), text: t("Something was shown that couldn’t be recorded: see the marks of the seek bar.") };
}
