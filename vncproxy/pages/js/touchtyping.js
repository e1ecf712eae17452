/** What was typed into a hidden field, as a keyboard on a touch screen does it. Pure. */

/** So much stands in the field from the start, for the keyboard's Backspace to take away. */
export const PADDING = "_".repeat(100);

const LONGEST = 3 * PADDING.length;

/**
 * What leads from one value of the field to the next: such keyboards replace what they have composed.
 * The instance's cursor is behind all that was typed. So a change amid the padding, where the field's
 * caret may have been put, counts as one at the end, and the padding itself is neither typed nor,
 * where something takes its place, taken away.
 * @param {string} before @param {string} after
 * @param {(character: string) => boolean} [types] whether the instance's keyboard has a character
 * @returns {{backspaces: number, text: string, missing: string[]}} missing: what can't be typed, each once
 */
export function typedBetween(before, after, types = () => true) {
  const [old, now] = [[...before], [...after]];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) {
    same += 1;
  }
  let [removed, added] = [old.slice(same), now.slice(same)];
  const padding = Math.min(/^_*/.exec(before)[0].length, PADDING.length);
  if (same < padding && (added.length || after === "")) {
    let rest = 0;
    while (rest < removed.length && rest < added.length && removed.at(-1 - rest) === added.at(-1 - rest)) {
      rest += 1;
    }
    added = added.slice(0, added.length - rest);
    removed = rest ? removed.slice(0, removed.length - rest) : old.slice(padding);
  }
  const missing = [...new Set(added.filter((character) => !types(character)))];
  return { backspaces: removed.filter(types).length, text: added.filter(types).join(""), missing };
}

/** Whether the field should begin anew. @param {string} value */
export function isUsedUp(value) {
  return value.length < PADDING.length / 2 || value.length > LONGEST;
}
