/** The toolbar: Ctrl+Alt+Del, the picture's size, full screen, and the way to it by keyboard. */

import { byId } from "./elements.js";
import { closePanels } from "./panels.js";
import { recall, remember } from "./choices.js";
import { t } from "./texts.js";

async function toggleFullScreen() {
  if (document.fullscreenElement) {
    await document.exitFullscreen();
    return;
  }
  await document.documentElement.requestFullscreen();
  // Where the browser can, Escape and the system's keys go to the instance as well.
  await navigator.keyboard?.lock?.();
}

/** Where the way from the screen leads by keyboard. */
function firstTool() {
  return document.querySelector("#tools button:enabled") ?? byId("tools").parentElement.querySelector("a");
}

/**
 * @param {import("./screen.js").Screen} screen
 * @param {(level: "info"|"warning", text: string) => void} notice
 */
export function buildToolbar(screen, notice) {
  byId("ctrl-alt-del").addEventListener("click", () => {
    screen.tap("Control", "Alt", "Delete");
    screen.focus();
  });

  const size = byId("size");
  const wanted = recall("size");
  if ([...size.options].some(({ value }) => value === wanted)) {
    size.value = wanted;
  }
  screen.size = size.value;
  size.addEventListener("change", () => {
    screen.size = size.value;
    remember("size", size.value);
    screen.focus();
  });

  const full = byId("full-button");
  full.addEventListener("click", () => {
    toggleFullScreen().catch(() => notice("warning", t("The browser doesn’t allow full screen here.")));
    screen.focus();
  });
  document.addEventListener("fullscreenchange", () => {
    const on = document.fullscreenElement !== null;
    full.setAttribute("aria-pressed", String(on));
    document.body.classList.toggle("full", on);
    document.body.classList.remove("bar-open");
  });
  byId("bar-tab").addEventListener("click", () => {
    document.body.classList.toggle("bar-open");
  });
  byId("stage").addEventListener("pointerdown", () => document.body.classList.remove("bar-open"));

  // In the capture phase, before noVNC sees the keys.
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey && event.altKey && event.shiftKey && event.code === "KeyT") {
        event.preventDefault();
        event.stopPropagation();
        const leaves = screen.hasFocus;
        screen.releaseAll();
        closePanels();
        document.body.classList.toggle("bar-open", leaves);
        if (leaves) {
          firstTool().focus();
        } else {
          screen.focus();
        }
      }
    },
    true,
  );
}

/** Which of the tools make sense: they need a picture, and most of them the right to type. */
export function enableTools({ mayType, hasPicture }) {
  for (const id of ["ctrl-alt-del", "keys-button", "paste-button", "touch-button"]) {
    byId(id).disabled = !(mayType && hasPicture);
  }
  byId("snapshot-button").disabled = !hasPicture;
  byId("size").disabled = !hasPicture;
}
