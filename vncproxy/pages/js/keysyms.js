/** Which keys to press, as X11 keysyms and browser key codes. Pure. Source: X11 keysymdef.h. */

/** Keys by name: [keysym, code]; the code lets QEMU's extended key events name the physical key. */
export const KEYS = {
  Control: [0xffe3, "ControlLeft"],
  Alt: [0xffe9, "AltLeft"],
  Shift: [0xffe1, "ShiftLeft"],
  Super: [0xffeb, "MetaLeft"],
  Escape: [0xff1b, "Escape"],
  Tab: [0xff09, "Tab"],
  Return: [0xff0d, "Enter"],
  Backspace: [0xff08, "Backspace"],
  Delete: [0xffff, "Delete"],
  Insert: [0xff63, "Insert"],
  PrintScreen: [0xff61, "PrintScreen"],
  Pause: [0xff13, "Pause"],
};
for (let n = 1; n <= 12; n += 1) {
  KEYS[`F${n}`] = [0xffbd + n, `F${n}`];
}

const PLAIN = {
  "`": "Backquote", "-": "Minus", "=": "Equal", "[": "BracketLeft", "]": "BracketRight",
  "\\": "Backslash", ";": "Semicolon", "'": "Quote", ",": "Comma", ".": "Period", "/": "Slash",
  " ": "Space",
};
const SHIFTED = {
  "~": "Backquote", "_": "Minus", "+": "Equal", "{": "BracketLeft", "}": "BracketRight",
  "|": "Backslash", ":": "Semicolon", '"': "Quote", "<": "Comma", ">": "Period", "?": "Slash",
  "!": "Digit1", "@": "Digit2", "#": "Digit3", $: "Digit4", "%": "Digit5", "^": "Digit6",
  "&": "Digit7", "*": "Digit8", "(": "Digit9", ")": "Digit0",
};

/**
 * One key to press for one character.
 * @typedef {{keysym: number, code: string|null, shift: boolean, onUsKeyboard: boolean}} Stroke
 */

/**
 * @param {string} character one code point
 * @returns {Stroke|null} null for a character that no key can stand for
 */
function strokeFor(character) {
  const point = character.codePointAt(0);
  const plain = (keysym, code, shift) => ({ keysym, code, shift, onUsKeyboard: true });
  if (character === "\n") {
    return plain(...KEYS.Return, false);
  }
  if (character === "\t") {
    return plain(...KEYS.Tab, false);
  }
  if (/[a-z]/.test(character)) {
    return plain(point, `Key${character.toUpperCase()}`, false);
  }
  if (/[A-Z]/.test(character)) {
    return plain(point, `Key${character}`, true);
  }
  if (/[0-9]/.test(character)) {
    return plain(point, `Digit${character}`, false);
  }
  if (character in PLAIN) {
    return plain(point, PLAIN[character], false);
  }
  if (character in SHIFTED) {
    return plain(point, SHIFTED[character], true);
  }
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
    return null;
  }
  const keysym = point <= 0xff ? point : 0x01000000 + point;
  return { keysym, code: null, shift: false, onUsKeyboard: false };
}

/**
 * The keys that type `text` on a US keyboard. Line ends of any kind become one Return; other
 * control characters are left out; characters that a US keyboard lacks become Unicode keysyms.
 * @param {string} text
 * @returns {{strokes: Stroke[], foreign: number, dropped: number}} foreign: how many a US keyboard
 *   can't type; dropped: how many were left out
 */
export function strokesFor(text) {
  const strokes = [];
  let foreign = 0;
  let dropped = 0;
  for (const character of text.replace(/\r\n?/g, "\n")) {
    const stroke = strokeFor(character);
    if (stroke === null) {
      dropped += 1;
      continue;
    }
    foreign += stroke.onUsKeyboard ? 0 : 1;
    strokes.push(stroke);
  }
  return { strokes, foreign, dropped };
}
