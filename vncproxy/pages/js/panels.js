/** Panels that drop from a button: one open at a time, closed by Escape or a click elsewhere. */

import { byId } from "./elements.js";

let open = null;

function close(refocus) {
  if (open) {
    open.panel.hidden = true;
    open.button.setAttribute("aria-expanded", "false");
    if (refocus) {
      open.button.focus();
    }
    open = null;
  }
}

/**
 * Let a button open and close a panel.
 * @param {string} buttonId @param {string} panelId @param {() => void} [before] fills the panel
 */
export function dropPanel(buttonId, panelId, before = () => {}) {
  const button = byId(buttonId);
  const panel = byId(panelId);
  button.addEventListener("click", () => {
    const wasOpen = open?.panel === panel;
    close(false);
    if (!wasOpen) {
      before();
      panel.hidden = false;
      button.setAttribute("aria-expanded", "true");
      open = { button, panel };
      panel.querySelector("button")?.focus();
    }
  });
}

/** Close the panel that is open, if one is. */
export function closePanels() {
  close(false);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && open) {
    event.stopPropagation();
    close(true);
  }
});
document.addEventListener(
  "pointerdown",
  ({ target }) => {
    if (open && !open.panel.contains(target) && !open.button.contains(target)) {
      close(false);
    }
  },
  true,
);
