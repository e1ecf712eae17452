/** Which keys to press, and in what order, to type a text. Pure. */

import { KEYBOARDS } from "./keyboards.js";
import { KEYS, keysymOf } from "./keysyms.js";
import { keysOf } from "./layouts.js";

/**
 * One key to press, and what is held meanwhile.
 * @typedef {{keysym: number, code: string, shift: boolean, altGr: boolean}} Stroke
 */

/** @returns {Stroke} */
function strokeOf({ code, shift, altGr, letter, character, dead }, capsLock) {
  const keysym = dead ? Number(KEYBOARDS.dead[dead]) : keysymOf(character);
  return { keysym, code, shift: letter && capsLock ? !shift : shift, altGr };
}

const plain = ([keysym, code]) => [{ keysym, code, shift: false, altGr: false }];

/**
 * The keys that type `text`. Line ends of any kind become one Return; characters that the layout lacks
 * are left out, and so are control characters other than tabs.
 * @param {string} text
 * @param {{layout?: string, capsLock?: boolean, windows?: boolean}} [guest] how the instance's keyboard is
 * @returns {{strokes: Stroke[], missing: string[], dropped: number}} missing: the characters that can't be
 *   typed, each once; dropped: how many control characters there are
 */
export function strokesFor(text, { layout = "us", capsLock = false, windows = false } = {}) {
  const keys = keysOf(layout, { windows });
  const strokes = [];
  const missing = new Set();
  let dropped = 0;
  for (const character of text.replace(/\r\n?/g, "\n").normalize("NFC")) {
    const point = character.codePointAt(0);
    if (character === "\n") {
      strokes.push(...plain(KEYS.Return));
    } else if (character === "\t") {
      strokes.push(...plain(KEYS.Tab));
    } else if (keys.has(character)) {
      strokes.push(...keys.get(character).map((key) => strokeOf(key, capsLock)));
    } else if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
      dropped += 1;
    } else {
      missing.add(character);
    }
  }
  return { strokes, missing: [...missing], dropped };
}
