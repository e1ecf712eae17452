/** Text that was copied inside the instance: offered, and copied here only when asked. */

import { byId, setText } from "./elements.js";
import { t } from "./texts.js";

/** @param {import("./screen.js").Screen} screen */
export function buildGuestClipboard(screen) {
  const dialog = byId("clip-dialog");
  const area = byId("clip-text");
  const button = byId("clip-button");

  screen.addEventListener("cuttext", ({ detail: text }) => {
    area.value = text;
    button.hidden = text === "";
    setText(byId("clip-said"), "");
  });
  screen.addEventListener("forgotten", () => {
    area.value = "";
    button.hidden = true;
    dialog.close();
  });
  button.addEventListener("click", () => {
    setText(byId("clip-said"), "");
    dialog.showModal();
    area.select();
  });
  byId("clip-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => screen.focus());
  byId("clip-copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(area.value);
      setText(byId("clip-said"), t("Copied."));
    } catch {
      area.select();
      setText(byId("clip-said"), t("The browser doesn’t allow it: press Ctrl+C."));
    }
  });
}
