/** The dialog that types a text into the instance, key by key. */

import { byId, setText } from "./elements.js";
import { strokesFor } from "./keysyms.js";
import { typeStrokes } from "./typist.js";
import { counted } from "./words.js";

const LONGEST_TEXT = 20_000;
const BACKLOG_BYTES = 2_048;

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/**
 * @param {import("./screen.js").Screen} screen
 * @param {() => boolean} linkIsUp
 */
export function buildPasteDialog(screen, linkIsUp) {
  const dialog = byId("paste-dialog");
  const area = byId("paste-text");
  const warning = byId("paste-warning");
  let running = null;

  function warn() {
    const { foreign, dropped } = strokesFor(area.value);
    const said = [];
    if (area.value.length > LONGEST_TEXT) {
      said.push(`At most ${LONGEST_TEXT.toLocaleString("en")} characters at once: shorten the text.`);
    }
    if (foreign) {
      said.push(
        `${counted(foreign, "character isn’t", "characters aren’t")} on a US keyboard. The instance may type something else or nothing.`,
      );
    }
    if (dropped) {
      said.push(`${counted(dropped, "control character")} will be left out.`);
    }
    setText(warning, said.join(" "));
    byId("paste-go").disabled = !area.value || area.value.length > LONGEST_TEXT || !screen.mayType;
  }

  function ready() {
    if (!linkIsUp() || !screen.mayType) {
      return "no";
    }
    return screen.backlog_bytes > BACKLOG_BYTES ? "wait" : "yes";
  }

  function showRunning(total) {
    const on = total !== null;
    byId("paste-progress").hidden = !on;
    area.readOnly = on;
    byId("paste-pace").disabled = on;
    byId("paste-go").hidden = on;
    byId("paste-cancel").textContent = on ? "Stop" : "Close";
    if (on) {
      byId("paste-meter").max = total;
      byId("paste-meter").value = 0;
    }
  }

  async function type() {
    const { strokes } = strokesFor(area.value);
    const total = strokes.length;
    running = new AbortController();
    showRunning(total);
    let said = "";
    try {
      await typeStrokes(strokes, {
        press: (keysym, code, down) => screen.press(keysym, code, down),
        perSecond: Number(byId("paste-pace").value),
        ready,
        sleep,
        progress: (done) => {
          byId("paste-meter").value = done;
          byId("paste-count").textContent = `${done} of ${counted(total, "key")}`;
        },
        signal: running.signal,
      });
      area.value = "";
      dialog.close();
    } catch (stopped) {
      if (stopped.typed === undefined) {
        throw stopped;
      }
      said =
        stopped.message === "cancelled"
          ? `Stopped after ${counted(stopped.typed, "key")} of ${total}.`
          : `The link was interrupted after ${counted(stopped.typed, "key")} of ${total}. Look at the screen for what has arrived before you type the rest.`;
    } finally {
      running = null;
      showRunning(null);
    }
    warn();
    if (said) {
      setText(warning, said);
    }
  }

  area.addEventListener("input", warn);
  byId("paste-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running) {
      type();
    }
  });
  byId("paste-cancel").addEventListener("click", () => {
    if (running) {
      running.abort();
    } else {
      dialog.close();
    }
  });
  dialog.addEventListener("cancel", (event) => {
    if (running) {
      event.preventDefault();
      running.abort();
    }
  });
  dialog.addEventListener("close", () => screen.focus());
  byId("paste-button").addEventListener("click", () => {
    dialog.showModal();
    area.focus();
    warn();
  });
}
