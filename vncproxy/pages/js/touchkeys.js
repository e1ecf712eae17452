/** The keyboard of a touch screen, and above it a row of the keys that it lacks. */

import { byId, element, onToggle } from "./elements.js";
import { F_KEYS } from "./keysyms.js";
import { notice } from "./notices.js";
import { strokesFor } from "./strokes.js";
import { t } from "./texts.js";
import { isUsedUp, PADDING, typedBetween } from "./touchtyping.js";
import { leftOut } from "./typingwords.js";

/** Keys of the row: [name, what is on it, what it is called]. */
const ROWS = [
  [["Escape", "Esc"], ["Tab", "Tab"], ["Control", "Ctrl"], ["Alt", "Alt"], ["F", "F1…"], ["Backspace", "⌫", t("Backspace")]],
  [["Left", "←", t("Left")], ["Up", "↑", t("Up")], ["Down", "↓", t("Down")], ["Right", "→", t("Right")], ["Return", "⏎", t("Enter")], ["touchpad", t("Pad"), t("Touchpad")]],
];
const FUNCTION = F_KEYS.map((name) => [name, name]);
const MODIFIERS = new Set(["Control", "Alt"]);

/** Keys that tell their name instead of writing into the field, by what events call them. */
const NAMED = {
  Enter: "Return", Backspace: "Backspace", Tab: "Tab", Escape: "Escape", Delete: "Delete", Insert: "Insert",
  ArrowLeft: "Left", ArrowUp: "Up", ArrowDown: "Down", ArrowRight: "Right",
  Home: "Home", End: "End", PageUp: "PageUp", PageDown: "PageDown",
};

class TouchKeys {
  #screen;
  #guest;
  #field = byId("touch-field");
  #before = PADDING;
  #composes = false;
  #modifiers = new Map();

  constructor(screen, guest, touchpad) {
    this.#screen = screen;
    this.#guest = guest;
    const functions = element("div", { class: "touch-row", hidden: true }, ...FUNCTION.map((key) => this.#button(key)));
    const buttons = ROWS.map((keys) =>
      element("div", { class: "touch-row" }, ...keys.map((key) => this.#special(key, functions, touchpad) ?? this.#button(key))),
    );
    byId("touch-rows").replaceChildren(functions, ...buttons);
    // Whoever presses one of them goes on typing.
    byId("touch-rows").addEventListener("mousedown", (event) => event.preventDefault());
    this.#field.addEventListener("input", (event) => {
      this.#typed();
      if (!event.isComposing) {
        this.#renew();
      }
    });
    this.#field.addEventListener("keydown", (event) => this.#keydown(event));
    this.#field.addEventListener("compositionstart", () => {
      this.#composes = true;
    });
    this.#field.addEventListener("compositionend", () => {
      this.#composes = false;
      this.#renew();
    });
    document.addEventListener("selectionchange", () => this.#toEnd());
  }

  #button([name, text, label]) {
    const click = () => this.#tap(name);
    return element("button", { type: "button", class: "key", text, "aria-label": label, on: { click } });
  }

  #special([name, text, label], functions, touchpad) {
    if (name === "F") {
      return toggle(text, (on) => {
        functions.hidden = !on;
      });
    }
    if (name === "touchpad") {
      return toggle(text, touchpad, label);
    }
    if (MODIFIERS.has(name)) {
      const button = toggle(text, () => {});
      this.#modifiers.set(name, button);
      return button;
    }
    return null;
  }

  /** The modifiers that are wanted for the next key, which takes them. */
  #takeModifiers() {
    const names = [...this.#modifiers].filter(([, button]) => button.getAttribute("aria-pressed") === "true");
    names.forEach(([, button]) => button.setAttribute("aria-pressed", "false"));
    return names.map(([name]) => name);
  }

  #tap(...names) {
    this.#screen.tap(...this.#takeModifiers(), ...names);
  }

  #typed() {
    const types = (character) => strokesFor(character, this.#guest()).strokes.length > 0;
    const { backspaces, text, missing } = typedBetween(this.#before, this.#field.value, types);
    this.#before = this.#field.value;
    for (let count = 0; count < backspaces; count += 1) {
      this.#tap("Backspace");
    }
    for (const character of text) {
      this.#type(character);
    }
    if (missing.length) {
      notice("warning", leftOut(missing));
    }
  }

  #type(character) {
    const names = this.#takeModifiers();
    if (names.length && /^[a-zA-Z0-9]$/.test(character)) {
      this.#screen.tap(...names, character.toLowerCase());
      return;
    }
    for (const { keysym, code, shift, altGr } of strokesFor(character, this.#guest()).strokes) {
      const held = [...names, ...(shift ? ["Shift"] : []), ...(altGr ? ["AltGr"] : [])];
      this.#screen.pressWith(held, keysym, code);
    }
  }

  #keydown(event) {
    const { key, ctrlKey, altKey, metaKey, isComposing, keyCode } = event;
    if (isComposing || keyCode === 229) {
      return;
    }
    const held = [ctrlKey && "Control", altKey && "Alt", metaKey && "Super"].filter(Boolean);
    if (Object.hasOwn(NAMED, key) || /^F\d+$/.test(key)) {
      event.preventDefault();
      this.#tap(...held, NAMED[key] ?? key);
    } else if (held.length && /^[a-zA-Z0-9]$/.test(key)) {
      event.preventDefault();
      this.#tap(...held, key.toLowerCase());
    }
  }

  /** The instance's cursor is behind what was typed, and so is the field's caret. */
  #toEnd() {
    const { value, selectionStart, selectionEnd } = this.#field;
    if (document.activeElement === this.#field && !this.#composes && Math.min(selectionStart, selectionEnd) < value.length) {
      this.#field.setSelectionRange(value.length, value.length);
    }
  }

  /** Something to take away must stand in the field; it grows for ever otherwise. */
  #renew() {
    if (isUsedUp(this.#field.value)) {
      this.#field.value = this.#before = PADDING;
    }
  }

  /** Begin to type. */
  open() {
    this.#field.value = this.#before = PADDING;
    this.#field.focus({ preventScroll: true });
    this.#field.setSelectionRange(PADDING.length, PADDING.length);
  }
}

/** A button that stays down. @param {string} text @param {(on: boolean) => void} changed @param {string} [label] */
function toggle(text, changed, label) {
  const button = element("button", { type: "button", class: "key", text, "aria-label": label, "aria-pressed": "false" });
  onToggle(button, changed);
  return button;
}

/**
 * @param {import("./screen.js").Screen} screen
 * @param {() => {layout: string, windows: boolean, capsLock: boolean}} guest how the instance's keyboard is
 * @param {(on: boolean) => void} touchpad
 */
export function buildTouchKeys(screen, guest, touchpad) {
  const keys = new TouchKeys(screen, guest, touchpad);
  onToggle(byId("touch-button"), (on) => {
    byId("touch-keys").hidden = !on;
    // A touch of the screen would take the focus from the field, and the keyboard would go.
    screen.takesFocus = !on;
    if (on) {
      keys.open();
    }
  });
  byId("touch-field").addEventListener("focus", fitAboveKeyboard);
  byId("touch-field").addEventListener("blur", fitAboveKeyboard);
  window.visualViewport?.addEventListener("resize", fitAboveKeyboard);
}

/** Keep all of the page above the keyboard, where the browser lets it lie over the page. */
function fitAboveKeyboard() {
  const visible = window.visualViewport;
  const covered = visible && visible.scale === 1 && visible.height < window.innerHeight - 1;
  document.body.style.height = covered ? `${visible.height}px` : "";
  if (covered) {
    window.scrollTo(0, 0);
  }
}
