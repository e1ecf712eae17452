/** Keys as X11 keysyms and browser key codes. Pure. */

import { KEYBOARDS } from "./keyboards.js";

/** Keys by name: [keysym, code]. */
export const KEYS = Object.fromEntries(
  Object.entries(KEYBOARDS.keys).map(([name, [keysym, code]]) => [name, [Number(keysym), code]]),
);

export const F_KEYS = Object.keys(KEYS).filter((name) => /^F\d+$/.test(name));

/** The keysym of a character. @param {string} character one code point */
export function keysymOf(character) {
  const point = character.codePointAt(0);
  return point <= 0xff ? point : 0x01000000 + point;
}

/**
 * A key as [keysym, code], or null where there is none of that name.
 * @param {string} name of `KEYS`, or what is on the key: a letter, a digit, a sign
 * @param {boolean} [shifted] Shift is down: a letter is a capital then
 */
export function keyOf(name, shifted = false) {
  if (Object.hasOwn(KEYS, name)) {
    return KEYS[name];
  }
  const small = name.toLowerCase();
  if (/^[a-z]$/.test(small)) {
    return [keysymOf(shifted ? small.toUpperCase() : small), `Key${small.toUpperCase()}`];
  }
  if (/^[0-9]$/.test(name)) {
    return [keysymOf(name), `Digit${name}`];
  }
  return Object.hasOwn(KEYBOARDS.signs, name) ? [keysymOf(name), KEYBOARDS.signs[name]] : null;
}
