/** What the browser keeps of this page's choices; what it doesn't take lasts as long as the page. */

const PREFIX = "vncproxy.";

/** What the browser didn't take, by name. */
const untaken = new Map();

/** A choice from before, or null. @param {string} name */
export function recall(name) {
  if (untaken.has(name)) {
    return untaken.get(name);
  }
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keep a choice. @param {string} name @param {string} value @returns {boolean} whether it outlasts the page */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
    untaken.delete(name);
    return true;
  } catch {
    untaken.set(name, value);
    return false;
  }
}
