/** What was typed into a hidden field, as a keyboard on a touch screen does it. Pure. */

/** So much stands in the field from the start, for the keyboard's Backspace to take away. */
export const PADDING = "_".repeat(100);

const LONGEST = 3 * PADDING.length;

/**
 * What leads from one value of the field to the next: such keyboards replace what they have composed.
 * @param {string} before @param {string} after
 * @returns {{backspaces: number, text: string}}
 */
export function typedBetween(before, after) {
  const [old, now] = [[...before], [...after]];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) {
    same += 1;
  }
  return { backspaces: old.length - same, text: now.slice(same).join("") };
}

/** Whether the field should begin anew. @param {string} value */
export function isUsedUp(value) {
  return value.length < PADDING.length / 2 || value.length > LONGEST;
}
