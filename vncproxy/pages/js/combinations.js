/** Keys that are pressed together: which ones fit the instance's system, and those of the user's own. Pure. */

import { KEYBOARDS } from "./keyboards.js";
import { F_KEYS, keyOf } from "./keysyms.js";
import { t } from "./texts.js";

/** What people call keys, by the names of `KEYS`. */
const SHOWN = {
  Control: "Ctrl",
  Escape: "Esc",
  Return: "Enter",
  PrintScreen: "Print",
  PageUp: "Page Up",
  PageDown: "Page Down",
  Left: "←",
  Up: "↑",
  Down: "↓",
  Right: "→",
  CapsLock: "Caps Lock",
};

/** How a key is written on a button. @param {string} name @param {{windows: boolean}} [system] */
export function keyLabel(name, { windows = false } = {}) {
  if (name === "Super") {
    return windows ? "Win" : "Super";
  }
  if (name === " ") {
    return t("Space");
  }
  if (Object.hasOwn(SHOWN, name)) {
    return SHOWN[name];
  }
  return name.length === 1 ? name.toUpperCase() : name;
}

/** How a combination is written on a button. @param {string[]} names @param {{windows: boolean}} [system] */
export function combinationLabel(names, system) {
  return names.map((name) => keyLabel(name, system)).join("+");
}

/** A key by what people call it, or null. @param {string} written in small letters */
function nameOf(written) {
  const part = written.replaceAll(/[\s_-](?=.)/g, "");
  if (Object.hasOwn(KEYBOARDS.written, part)) {
    return KEYBOARDS.written[part];
  }
  const name = F_KEYS.includes(part.toUpperCase()) ? part.toUpperCase() : part;
  return keyOf(name) === null ? null : name;
}

/**
 * The keys of a combination as somebody writes it, such as "ctrl+alt+f2" or "ctrl-alt-del".
 * @param {string} text
 * @returns {{names: string[]}|{unknown: string}} unknown: what isn't a key, or empty
 */
export function combinationOf(text) {
  const parts = text.trim().toLowerCase().replace(/\+\s*\+$/, "+plus").split("+").map((part) => part.trim());
  // A hyphen is within a key's name, or else between keys.
  const written = parts.flatMap((part) => (nameOf(part) ? [part] : part.split(/\s*-\s*(?=.)/)));
  const names = [];
  for (const part of written) {
    const name = nameOf(part);
    if (name === null) {
      return { unknown: part };
    }
    if (!names.includes(name)) {
      names.push(name);
    }
  }
  return names.length <= KEYBOARDS.mostKeys ? { names } : { unknown: "" };
}

const WINDOWS = [
  ["Super", "r"],
  ["Super", "l"],
  ["Super", "x"],
  ["Alt", "F4"],
  ["Control", "Shift", "Escape"],
  ["Control", "Alt", "End"],
];

const LINUX = [...F_KEYS.map((name) => ["Control", "Alt", name]), ["Control", "Alt", "Backspace"]];

/** Combinations of a system. @param {{windows: boolean}} system @returns {string[][]} */
export function systemCombinations({ windows }) {
  return windows ? WINDOWS : LINUX;
}

const KEPT_BY_BROWSERS = [["Control", "w"], ["Control", "t"], ["Control", "n"], ["Alt", "F4"], ["Alt", "Tab"]];

/**
 * What the browser or its system keeps to itself, so that it can be sent from here only; besides the combinations of
 * the instance's system.
 * @param {{windows: boolean}} system
 * @returns {string[][]}
 */
export function keptByBrowsers(system) {
  return systemCombinations(system).reduce(withoutCombination, KEPT_BY_BROWSERS);
}

/**
 * What Linux does on Alt+SysRq and a letter. sure: asked again before it is sent.
 * Source: Linux, Documentation/admin-guide/sysrq.rst.
 */
export const SYSRQ = [
  { letter: "h", does: t("lists these on the console") },
  { letter: "r", does: t("takes the keyboard back from a graphical session") },
  { letter: "s", does: t("writes what is unsaved to the disks") },
  { letter: "u", does: t("makes all file systems read-only") },
  { letter: "w", does: t("shows the tasks that are stuck") },
  { letter: "t", does: t("shows all tasks") },
  { letter: "l", does: t("shows what each processor is at") },
  { letter: "m", does: t("shows the memory") },
  { letter: "f", does: t("kills the program that uses most memory") },
  { letter: "k", does: t("kills all programs on this terminal") },
  { letter: "e", does: t("asks all programs to end"), sure: true },
  { letter: "i", does: t("kills all programs"), sure: true },
  { letter: "b", does: t("restarts at once, without writing anything"), sure: true },
  { letter: "c", does: t("crashes the kernel, for a dump"), sure: true },
  { letter: "o", does: t("switches off"), sure: true },
];

/** The keys for one of them. @param {string} letter */
export function sysrqKeys(letter) {
  return ["Alt", "SysRq", letter];
}

/** So many combinations of a user's own there may be. */
export const MOST_KEPT = 24;

/** A user's own combinations, as the browser keeps them. @param {string|null} text @returns {string[][]} */
export function keptCombinations(text) {
  let kept;
  try {
    kept = JSON.parse(text ?? "[]");
  } catch {
    return [];
  }
  const known = (names) => Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === "string" && keyOf(name));
  return Array.isArray(kept) ? kept.filter(known).slice(0, MOST_KEPT) : [];
}

/** With one more, once; null: there is no room. @param {string[][]} kept @param {string[]} names @returns {string[][]|null} */
export function withCombination(kept, names) {
  const others = withoutCombination(kept, names);
  return others.length < MOST_KEPT ? [...others, names] : null;
}

/** Without one. @param {string[][]} kept @param {string[]} names */
export function withoutCombination(kept, names) {
  return kept.filter((other) => other.join("+") !== names.join("+"));
}
