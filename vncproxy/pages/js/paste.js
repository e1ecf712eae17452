/** The dialog that types a text into the instance, key by key. */

import { byId, element, setText } from "./elements.js";
import { LAYOUTS, locksShift } from "./layouts.js";
import { recall, remember } from "./choices.js";
import { strokesFor } from "./strokes.js";
import { number, t, tn } from "./texts.js";
import { typeStrokes } from "./typist.js";
import { offerOf, stoppedWords } from "./typingwords.js";

const BACKLOG_BYTES = 2_048;

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/**
 * The keyboard that an instance was last said to be set to, by name.
 * @param {string} id of the instance
 */
export function layoutOf(id) {
  const kept = recall(`layout.${id}`);
  return kept !== null && Object.hasOwn(LAYOUTS, kept) ? kept : "us";
}

/**
 * @param {import("./screen.js").Screen} screen
 * @param {() => boolean} linkIsUp
 * @param {() => {id: string, windows: boolean}} instance
 */
export function buildPasteDialog(screen, linkIsUp, instance) {
  const dialog = byId("paste-dialog");
  const area = byId("paste-text");
  const warning = byId("paste-warning");
  const layout = byId("paste-layout");
  const caps = byId("paste-caps");
  /** What the user says of Caps Lock in the guest; null: nothing, the guest's lamp counts. */
  let saidOfCaps = null;
  let running = null;

  /** How the guest's keyboard is, as far as that is known here. */
  function guest() {
    const { windows } = instance();
    return { layout: layout.value, windows, capsLock: saidOfCaps ?? screen.guestCapsLock ?? false };
  }

  function warn() {
    const on = guest();
    const { said, label, possible } = offerOf(area.value, on);
    setText(warning, said);
    setText(byId("paste-go"), label);
    caps.checked = on.capsLock;
    setText(byId("paste-caps-said"), capsWords(on));
    byId("paste-go").disabled = !possible || !screen.mayType;
  }

  function capsWords(on) {
    if (!on.capsLock) {
      const unknown = saidOfCaps === null && screen.guestCapsLock === null;
      return unknown ? t("The instance doesn’t say whether Caps Lock is on.") : "";
    }
    return locksShift(on.layout, on)
      ? t("Windows turns digits and signs around as well on this keyboard: switch Caps Lock off there first.")
      : t("Letters are typed so that they come out right.");
  }

  function ready() {
    if (!linkIsUp()) {
      return "no";
    }
    if (!screen.mayType) {
      return "taken";
    }
    return screen.backlog_bytes > BACKLOG_BYTES ? "wait" : "yes";
  }

  function showRunning(total) {
    const on = total !== null;
    byId("paste-progress").hidden = !on;
    area.readOnly = on;
    for (const choice of [layout, caps, byId("paste-pace")]) {
      choice.disabled = on;
    }
    byId("paste-go").hidden = on;
    byId("paste-cancel").textContent = on ? t("Stop") : t("Close");
    if (on) {
      byId("paste-meter").max = total;
      byId("paste-meter").value = 0;
    }
  }

  async function type() {
    const { strokes } = strokesFor(area.value, guest());
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
          byId("paste-count").textContent = tn(
            total,
            "{done} of {count} key",
            "{done} of {count} keys",
            { done: number(done) },
          );
        },
        signal: running.signal,
      });
      area.value = "";
      dialog.close();
    } catch (stopped) {
      if (stopped.typed === undefined) {
        throw stopped;
      }
      said = stoppedWords(stopped.message, stopped.typed, total);
    } finally {
      running = null;
      showRunning(null);
    }
    warn();
    if (said) {
      setText(warning, said);
    }
  }

  layout.replaceChildren(
    ...Object.entries(LAYOUTS).map(([value, text]) => element("option", { value, text })),
  );
  layout.addEventListener("change", () => {
    remember(`layout.${instance().id}`, layout.value);
    warn();
  });
  caps.addEventListener("change", () => {
    saidOfCaps = caps.checked;
    warn();
  });
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
    layout.value = layoutOf(instance().id);
    saidOfCaps = null;
    dialog.showModal();
    area.focus();
    warn();
  });
}
