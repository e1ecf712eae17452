/** What is said of a text that is to be typed into the instance. Pure. */

import { strokesFor } from "./strokes.js";
import { number, t, tn, together } from "./texts.js";

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
  return more > 0
    ? t("Not on this keyboard, and left out: {characters} and {more} more", { characters: names, more })
    : t("Not on this keyboard, and left out: {characters}", { characters: names });
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
    said.push(t("At most {most} characters at once: shorten the text.", { most: number(LONGEST_TEXT) }));
  }
  if (missing.length) {
    said.push(leftOut(missing));
  }
  if (dropped) {
    said.push(tn(
      dropped,
      "{count} control character will be left out.",
      "{count} control characters will be left out.",
    ));
  }
  const nothing = text !== "" && strokes.length === 0;
  let label = missing.length ? t("Type the rest") : t("Type it");
  if (nothing) {
    label = t("Nothing to type");
  }
  return { said: together(said), label, possible: strokes.length > 0 && text.length <= LONGEST_TEXT };
}

/**
 * Why typing stopped, and how far it came.
 * @param {string} why as `TypingStopped` says it @param {number} typed keys @param {number} total
 */
export function stoppedWords(why, typed, total) {
  const of = { total: number(total) };
  const look = t("Look at the screen for what has arrived before you type the rest.");
  if (why === "cancelled") {
    return tn(typed, "Stopped after {count} key of {total}.", "Stopped after {count} keys of {total}.", of);
  }
  const said = why === "control"
    ? tn(
      typed,
      "Somebody else took control after {count} key of {total}.",
      "Somebody else took control after {count} keys of {total}.",
      of,
    )
    : tn(
      typed,
      "The link was interrupted after {count} key of {total}.",
      "The link was interrupted after {count} keys of {total}.",
      of,
    );
  return together([said, look]);
}
