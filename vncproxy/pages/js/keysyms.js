/** Keys as X11 keysyms and browser key codes. Pure. Source: X11 keysymdef.h. */

export const F_KEYS = Array.from({ length: 12 }, (_, index) => `F${index + 1}`);

/** Keys by name: [keysym, code]; the code lets QEMU's extended key events name the physical key. */
export const KEYS = {
  Control: [0xffe3, "ControlLeft"],
  Alt: [0xffe9, "AltLeft"],
  Shift: [0xffe1, "ShiftLeft"],
  AltGr: [0xfe03, "AltRight"],
  Super: [0xffeb, "MetaLeft"],
  Escape: [0xff1b, "Escape"],
  Tab: [0xff09, "Tab"],
  Return: [0xff0d, "Enter"],
  Backspace: [0xff08, "Backspace"],
  Delete: [0xffff, "Delete"],
  Insert: [0xff63, "Insert"],
  PrintScreen: [0xff61, "PrintScreen"],
  SysRq: [0xff15, "PrintScreen"],
  Pause: [0xff13, "Pause"],
  CapsLock: [0xffe5, "CapsLock"],
  Home: [0xff50, "Home"],
  Left: [0xff51, "ArrowLeft"],
  Up: [0xff52, "ArrowUp"],
  Right: [0xff53, "ArrowRight"],
  Down: [0xff54, "ArrowDown"],
  PageUp: [0xff55, "PageUp"],
  PageDown: [0xff56, "PageDown"],
  End: [0xff57, "End"],
  Menu: [0xff67, "ContextMenu"],
  // The keypad's: the other one is on a different key in each layout.
  Plus: [0xffab, "NumpadAdd"],
};
F_KEYS.forEach((name, index) => {
  KEYS[name] = [0xffbe + index, name];
});

/** The keysym of a character. @param {string} character one code point */
export function keysymOf(character) {
  const point = character.codePointAt(0);
  return point <= 0xff ? point : 0x01000000 + point;
}

/** Signs by the key that has them on a US keyboard, where they need no Shift. */
const SIGNS = {
  "`": "Backquote", "-": "Minus", "=": "Equal", "[": "BracketLeft", "]": "BracketRight", "\\": "Backslash",
  ";": "Semicolon", "'": "Quote", ",": "Comma", ".": "Period", "/": "Slash", " ": "Space",
};

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
  return Object.hasOwn(SIGNS, name) ? [keysymOf(name), SIGNS[name]] : null;
}
