/** What a proxy's path in front of vncproxy adds to every address, as the daemon has put it into the page. */

/** "" where the pages are at the host's root. @returns {string} such as "/vnc" */
export function basePath() {
  return globalThis.document?.querySelector('meta[name="base-path"]')?.content ?? "";
}

/** An address of this daemon's as the browser has to ask for it. @param {string} path begins with / */
export function below(path) {
  return basePath() + path;
}
