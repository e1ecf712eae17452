/** The button that saves the console's screen as a picture, in its own size. */

import { byId } from "./elements.js";
import { saveFile, stamp } from "./savefile.js";
import { t } from "./texts.js";

/**
 * @param {import("./screen.js").Screen} screen
 * @param {(level: "info"|"warning", text: string) => void} notice
 */
export function buildSnapshotButton(screen, notice) {
  byId("snapshot-button").addEventListener("click", async () => {
    const blob = await screen.toBlob();
    if (blob) {
      saveFile(blob, `${byId("name").textContent}-${stamp(new Date())}.png`);
    } else {
      notice("warning", t("The browser could make no picture of the screen."));
    }
    screen.focus();
  });
}
