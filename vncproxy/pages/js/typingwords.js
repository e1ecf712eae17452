/** What is said of a text that is to be typed into the instance. Pure. */

import { strokesFor } from "./strokes.js";
import { counted } from "./words.js";

const LONGEST_TEXT = 20_000;

/** More of them are only counted. */
const NAMED_CHARACTERS = 12;

/** A character as one can read it: what can't be seen by its number. @param {string} character */
function nameOf(character) {
  const seen = /[\p{L}\p{N}\p{P}\p{S}]/u.test(character);
  return seen ? character : `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** That these can't be typed. @param {string[]} missing */
export function leftOut(missing) {
  const more = missing.length - NAMED_CHARACTERS;
  const names = missing.slice(0, NAMED_CHARACTERS).map(nameOf).join(" ");
  return `Not on this keyboard, and left out: ${more > 0 ? `${names} and ${more} more` : names}`;
}

/**
 * What to say of a text before it is typed, and whether it can be.
 * @param {string} text @param {Parameters<typeof strokesFor>[1]} guest how the instance's keyboard is
 * @returns {{said: string, label: string, possible: boolean}} label: of the button that types it
 */
export function offerOf(text, guest) {
  const { strokes, missing, dropped } = strokesFor(text, guest);
  const said = [];
  if (text.length > LONGEST_TEXT) {
    said.push(`At most ${LONGEST_TEXT.toLocaleString("en")} characters at once: shorten the text.`);
  }
  if (missing.length) {
    said.push(leftOut(missing));
  }
  if (dropped) {
    said.push(`${counted(dropped, "control character")} will be left out.`);
  }
  const nothing = text !== "" && strokes.length === 0;
  let label = missing.length ? "Type the rest" : "Type it";
  if (nothing) {
    label = "Nothing to type";
  }
  return { said: said.join(" "), label, possible: strokes.length > 0 && text.length <= LONGEST_TEXT };
}

/**
 * Why typing stopped, and how far it came.
 * @param {string} why as `TypingStopped` says it @param {number} typed keys @param {number} total
 */
export function stoppedWords(why, typed, total) {
  const far = `after ${counted(typed, "key")} of ${total}.`;
  const look = "Look at the screen for what has arrived before you type the rest.";
  if (why === "cancelled") {
    return `Stopped ${far}`;
  }
  return why === "control" ? `Somebody else took control ${far} ${look}` : `The link was interrupted ${far} ${look}`;
}
