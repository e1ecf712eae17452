/** The dialog that types a text into the instance, key by key. */

import { byId, element, setText } from "./elements.js";
import { LAYOUTS, locksShift } from "./layouts.js";
import { recall, remember } from "./choices.js";
import { strokesFor } from "./strokes.js";
import { typeStrokes } from "./typist.js";
import { counted } from "./words.js";

const LONGEST_TEXT = 20_000;
const BACKLOG_BYTES = 2_048;

/** More of them are only counted. */
const NAMED_CHARACTERS = 12;

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A character as one can read it: what can't be seen by its number. @param {string} character */
function nameOf(character) {
  const seen = /[\p{L}\p{N}\p{P}\p{S}]/u.test(character);
  return seen ? character : `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** @param {string[]} characters */
function named(characters) {
  const more = characters.length - NAMED_CHARACTERS;
  const names = characters.slice(0, NAMED_CHARACTERS).map(nameOf).join(" ");
  return more > 0 ? `${names} and ${more} more` : names;
}

/**
 * The keyboard that an instance was last said to be set to, by name.
 * @param {string} id of the instance
 */
export function layoutOf(id) {
  const kept = recall(`layout.${id}`);
  return kept in LAYOUTS ? kept : "us";
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
    const { missing, dropped } = strokesFor(area.value, on);
    const said = [];
    if (area.value.length > LONGEST_TEXT) {
      said.push(`At most ${LONGEST_TEXT.toLocaleString("en")} characters at once: shorten the text.`);
    }
    if (missing.length) {
      said.push(`Not on this keyboard, and left out: ${named(missing)}`);
    }
    if (dropped) {
      said.push(`${counted(dropped, "control character")} will be left out.`);
    }
    setText(warning, said.join(" "));
    setText(byId("paste-go"), missing.length ? "Type the rest" : "Type it");
    caps.checked = on.capsLock;
    setText(byId("paste-caps-said"), capsWords(on));
    byId("paste-go").disabled = !area.value || area.value.length > LONGEST_TEXT || !screen.mayType;
  }

  function capsWords(on) {
    if (!on.capsLock) {
      const unknown = saidOfCaps === null && screen.guestCapsLock === null;
      return unknown ? "The instance doesn’t say whether Caps Lock is on." : "";
    }
    return locksShift(on.layout, on)
      ? "Windows turns digits and signs around as well on this keyboard: switch Caps Lock off there first."
      : "Letters are typed so that they come out right.";
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
    for (const choice of [layout, caps, byId("paste-pace")]) {
      choice.disabled = on;
    }
    byId("paste-go").hidden = on;
    byId("paste-cancel").textContent = on ? "Stop" : "Close";
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
