/** Short notices at the edge of the screen. */

import { byId, element } from "./elements.js";
import { t } from "./texts.js";

const INFO_MS = 8_000;
const AT_MOST = 4;

/**
 * Show a notice; one that says the same goes.
 * @param {"info"|"warning"} level
 * @param {string} text
 * @returns {() => void} takes it away before its time
 */
export function notice(level, text) {
  const holder = byId("notices");
  for (const earlier of [...holder.children]) {
    if (earlier.querySelector("p").textContent === text) {
      earlier.remove();
    }
  }
  const shown = element(
    "div",
    { class: `notice ${level === "warning" ? "warning" : "info"}` },
    element("p", { text }),
    element("button", { type: "button", class: "quiet small", text: t("Dismiss"), on: { click: () => shown.remove() } }),
  );
  holder.append(shown);
  while (holder.children.length > AT_MOST) {
    holder.firstElementChild.remove();
  }
  if (level !== "warning") {
    setTimeout(() => shown.remove(), INFO_MS);
  }
  return () => shown.remove();
}
