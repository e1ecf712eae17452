/**
 * Keyboards that an instance may be set to: which key, with Shift or AltGr, types which character. Pure.
 *
 * Only what Linux and Windows have in common is listed, and where they differ, both. Sources: xkb-data
 * ("us", "gb", "de", "fr", "es", "jp"), Microsoft's keyboard layouts of the same countries.
 */

import { t } from "./texts.js";

/** The keys of the rows below, in their order, by the codes of UI Events. */
const ROWS = [
  ["Backquote", ..."1234567890".split("").map((digit) => `Digit${digit}`), "Minus", "Equal"],
  [..."QWERTYUIOP".split("").map((letter) => `Key${letter}`), "BracketLeft", "BracketRight"],
  [..."ASDFGHJKL".split("").map((letter) => `Key${letter}`), "Semicolon", "Quote", "Backslash"],
  ["IntlBackslash", ..."ZXCVBNM".split("").map((letter) => `Key${letter}`), "Comma", "Period", "Slash"],
  ["IntlYen", "IntlRo"],
];

const GRAVE = "\u0300";
const ACUTE = "\u0301";
const CIRCUMFLEX = "\u0302";
const DIAERESIS = "\u0308";

/** What dead keys and a space make, where it is the same on all systems. */
const ALONE = { [GRAVE]: "`", [CIRCUMFLEX]: "^" };

const US = {
  plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./", "  "],
  shift: ["~!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"|', " ZXCVBNM<>?", "  "],
};

/**
 * Characters by level and row. A space is a key without one, or with one that isn't to be relied on.
 * dead: [code, level] by the combining character; beforeSpace: characters that are dead on Windows;
 * shiftLock: Caps Lock there turns digits and signs around, too, on Windows.
 */
const TABLES = {
  us: US,
  uk: {
    plain: ["`1234567890-=", "qwertyuiop[]", "asdfghjkl;'#", "\\zxcvbnm,./", "  "],
    shift: ['¬!"£$%^&*()_+', "QWERTYUIOP{}", "ASDFGHJKL:@~", "|ZXCVBNM<>?", "  "],
    altGr: ["    €        "],
  },
  de: {
    plain: [" 1234567890ß ", "qwertzuiopü+", "asdfghjklöä#", "<yxcvbnm,.-", "  "],
    shift: ['°!"§$%&/()=? ', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_", "  "],
    altGr: ["  ²³   {[]}\\ ", "@ €        ~", "            ", "|      µ   ", "  "],
    dead: { [CIRCUMFLEX]: ["Backquote", "plain"], [ACUTE]: ["Equal", "plain"], [GRAVE]: ["Equal", "shift"] },
    shiftLock: true,
  },
  fr: {
    plain: ["²&é\"'(-è_çà)=", "azertyuiop $", "qsdfghjklmù*", "<wxcvbn,;:!", "  "],
    shift: [" 1234567890°+", "AZERTYUIOP £", "QSDFGHJKLM%µ", ">WXCVBN?./§", "  "],
    altGr: ["  ~#{[|`\\^@]}", "  €        ¤", "            ", "           ", "  "],
    dead: { [CIRCUMFLEX]: ["BracketLeft", "plain"], [DIAERESIS]: ["BracketLeft", "shift"] },
    beforeSpace: "~`",
    shiftLock: true,
  },
  es: {
    plain: ["º1234567890'¡", "qwertyuiop +", "asdfghjklñ ç", "<zxcvbnm,.-", "  "],
    shift: ['ª!"·$%&/()=?¿', "QWERTYUIOP *", "ASDFGHJKLÑ Ç", ">ZXCVBNM;:_", "  "],
    altGr: ["\\|@#~ ¬      ", "  €       []", "          {}", "           ", "  "],
    dead: {
      [GRAVE]: ["BracketLeft", "plain"],
      [CIRCUMFLEX]: ["BracketLeft", "shift"],
      [ACUTE]: ["Quote", "plain"],
      [DIAERESIS]: ["Quote", "shift"],
    },
    beforeSpace: "~",
  },
  jp: {
    plain: [" 1234567890-^", "qwertyuiop@[", "asdfghjkl;:]", " zxcvbnm,./", " \\"],
    shift: [" !\"#$%&'() =~", "QWERTYUIOP`{", "ASDFGHJKL+*}", " ZXCVBNM<>?", "|_"],
  },
  cn: US,
};

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

/** What a dead key may stand before. */
const VOWELS = "aeiouAEIOU";

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
          places.set(character, { code: ROWS[at][key], shift: level === "shift", altGr: level === "altGr", letter });
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
  const table = TABLES[name];
  const space = { code: "Space", shift: false, altGr: false, letter: false, character: " ", dead: null };
  const keys = new Map([[" ", [space]]]);
  for (const [character, place] of placesOf(table)) {
    const key = { ...place, character, dead: null };
    keys.set(character, windows && table.beforeSpace?.includes(character) ? [key, space] : [key]);
  }
  for (const [mark, [code, level]] of Object.entries(table.dead ?? {})) {
    const dead = { code, shift: level === "shift", altGr: false, letter: false, character: null, dead: mark };
    const made = [...VOWELS].map((vowel) => [(vowel + mark).normalize("NFC"), keys.get(vowel)]);
    const alone = mark in ALONE ? [[ALONE[mark], [space]]] : [];
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
  return windows && TABLES[name].shiftLock === true;
}
