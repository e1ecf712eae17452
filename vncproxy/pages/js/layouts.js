/**
 * Keyboards that an instance may be set to: which key, with Shift or AltGr, types which character. Pure.
 */

import { KEYBOARDS } from "./keyboards.js";
import { t } from "./texts.js";

/** The layouts by their names, with what people call them. */
export const LAYOUTS = {
  us: t("US"),
  uk: t("UK"),
  de: t("German"),
  fr: t("French"),
  es: t("Spanish"),
  jp: t("Japanese"),
  cn: t("Chinese (as US)"),
};

function tableOf(name) {
  const table = KEYBOARDS.layouts[name];
  return table.same ? KEYBOARDS.layouts[table.same] : table;
}

/**
 * One key to press, with what is held meanwhile.
 * @typedef {{code: string, shift: boolean, altGr: boolean, letter: boolean}} Place
 *   letter: Caps Lock turns Shift around for it
 */

/** Whether two characters are a letter, small and large. */
function isLetter(small, large) {
  return small.toLowerCase() !== small.toUpperCase() && small.toUpperCase() === large;
}

function placesOf(table) {
  const places = new Map();
  for (const level of ["plain", "shift", "altGr"]) {
    (table[level] ?? []).forEach((row, at) =>
      [...row].forEach((character, key) => {
        if (character !== " " && !places.has(character)) {
          const letter = level !== "altGr" && isLetter(table.plain[at][key], table.shift[at][key]);
          places.set(character, { code: KEYBOARDS.rows[at][key], shift: level === "shift", altGr: level === "altGr", letter });
        }
      }),
    );
  }
  return places;
}

/**
 * Which keys type each character on a layout: one, or a dead key and another.
 * @param {string} name of LAYOUTS @param {{windows: boolean}} system of the instance
 * @returns {Map<string, (Place & {character: string|null, dead: string|null})[]>} by character; dead: the
 *   combining character of a dead key
 */
export function keysOf(name, { windows }) {
  const table = tableOf(name);
  const space = { code: "Space", shift: false, altGr: false, letter: false, character: " ", dead: null };
  const keys = new Map([[" ", [space]]]);
  for (const [character, place] of placesOf(table)) {
    const key = { ...place, character, dead: null };
    keys.set(character, windows && table.beforeSpace?.includes(character) ? [key, space] : [key]);
  }
  for (const [mark, [code, level]] of Object.entries(table.dead ?? {})) {
    const dead = { code, shift: level === "shift", altGr: false, letter: false, character: null, dead: mark };
    const made = [...KEYBOARDS.vowels].map((vowel) => [(vowel + mark).normalize("NFC"), keys.get(vowel)]);
    const alone = mark in KEYBOARDS.alone ? [[KEYBOARDS.alone[mark], [space]]] : [];
    for (const [character, rest] of [...made, ...alone]) {
      if (!keys.has(character)) {
        keys.set(character, [dead, ...rest]);
      }
    }
  }
  return keys;
}

/** Whether Caps Lock turns more than letters around there. @param {string} name @param {{windows: boolean}} system */
export function locksShift(name, { windows }) {
  return windows && tableOf(name).shiftLock === true;
}
