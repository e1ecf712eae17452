/** What the browser keeps of this page's choices. A browser that keeps nothing: nothing is kept. */

const PREFIX = "vncproxy.";

/** A choice from before, or null. @param {string} name */
export function recall(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/** Keep a choice. @param {string} name @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // It lasts as long as the page.
  }
}
