/** The panel of special keys: held modifiers, single keys, and combinations that fit the instance's system. */

import {
  combinationLabel,
  combinationOf,
  keptByBrowsers,
  keptCombinations,
  keyLabel,
  MOST_KEPT,
  SYSRQ,
  sysrqKeys,
  systemCombinations,
  withCombination,
  withoutCombination,
} from "./combinations.js";
import { byId, element, onSecondPress, onToggle, setText } from "./elements.js";
import { F_KEYS } from "./keysyms.js";
import { closePanels, dropPanel } from "./panels.js";
import { recall, remember } from "./choices.js";
import { t } from "./texts.js";

const HELD = ["Control", "Alt", "Shift", "AltGr", "Super"];
const SINGLE = [
  ["Escape", "Tab", "Return", "Backspace", "Super", "Menu"],
  ["Left", "Up", "Down", "Right", "Home", "End", "PageUp", "PageDown"],
  ["Insert", "Delete", "PrintScreen", "Pause", "CapsLock"],
];
const OWN = "combinations";

function heading(title, hint) {
  return [element("h2", { text: title }), hint && element("p", { class: "hint", text: hint })];
}

function row(...buttons) {
  return element("div", { class: "key-row" }, ...buttons);
}

function group(title, hint, ...rows) {
  return element("div", { class: "key-group", role: "group", "aria-label": title }, ...heading(title, hint), ...rows);
}

/** What isn't needed often, behind its title. */
function folded(title, ...content) {
  return element("details", { class: "key-group" }, element("summary", { text: title }), ...content);
}

class KeysPanel {
  #screen;
  #system = { windows: false };
  #held = [];
  #own = element("div", { class: "key-row" });
  #problem = element("p", { class: "problem", role: "alert" });

  constructor(screen) {
    this.#screen = screen;
  }

  /** Build it for a system. @param {{windows: boolean}} system */
  draw({ windows }) {
    const ours = { windows };
    const other = { windows: !windows };
    this.#system = ours;
    this.#held = HELD.map((name) => this.#holdButton(name));
    this.#drawOwn();
    byId("keys-panel").replaceChildren(
      element("div", { class: "key-group" }, this.#wakeButton()),
      group(t("Hold down"), t("They stay down while you type, until pressed here again."), row(...this.#held)),
      group(t("Press once"), "", ...SINGLE.map((names) => row(...names.map((name) => this.#tapButton([name]))))),
      group(windows ? "Windows" : "Linux", "", this.#combinations(ours)),
      !windows && this.#sysrq(),
      group(t("Function keys"), "", row(...F_KEYS.map((name) => this.#tapButton([name])))),
      group(t("What browsers keep to themselves"), "", row(...keptByBrowsers(ours).map((names) => this.#tapButton(names)))),
      group(t("Your own"), t("Kept in this browser."), this.#own, this.#ownForm(), this.#problem),
      folded(windows ? t("Keys of Linux") : t("Keys of Windows"), this.#combinations(other), windows && this.#sysrq()),
    );
  }

  /** The held keys were let go of by other means. */
  letGo() {
    this.#held.forEach((button) => button.setAttribute("aria-pressed", "false"));
  }

  #combinations(system) {
    return row(...systemCombinations(system).map((names) => this.#tapButton(names)));
  }

  #tapButton(names) {
    const text = combinationLabel(names, this.#system);
    return element("button", { type: "button", class: "key", text, on: { click: () => this.#screen.tap(...names) } });
  }

  #holdButton(name) {
    const button = element("button", {
      type: "button",
      class: "key",
      "aria-pressed": "false",
      text: keyLabel(name, this.#system),
    });
    onToggle(button, (down) => {
      this.#screen.hold(name, down);
      this.#screen.focus();
    });
    return button;
  }

  #wakeButton() {
    return element("button", {
      type: "button",
      class: "key wide",
      text: t("Wake the screen (Shift)"),
      on: {
        click: () => {
          this.#screen.tap("Shift");
          closePanels();
          this.#screen.focus();
        },
      },
    });
  }

  #sysrq() {
    return folded(
      "SysRq",
      element("p", { class: "hint", text: t("Alt+SysRq and a letter. Linux obeys those that kernel.sysrq allows.") }),
      ...SYSRQ.map((command) => this.#sysrqButton(command)),
    );
  }

  #sysrqButton({ letter, does, sure = false }) {
    const text = element("span", { text: does });
    const button = element("button", { type: "button", class: "key told" }, element("kbd", { text: letter }), text);
    const send = () => this.#screen.tap(...sysrqKeys(letter));
    const show = (asks) => {
      setText(text, asks ? t("Really? It {does}.", { does }) : does);
      button.classList.toggle("danger", asks);
    };
    if (sure) {
      onSecondPress(button, show, send);
    } else {
      button.addEventListener("click", send);
    }
    return button;
  }

  // The user's own.

  #drawOwn() {
    this.#own.replaceChildren(
      ...keptCombinations(recall(OWN)).map((names) => {
        const label = combinationLabel(names, this.#system);
        const remove = element("button", {
          type: "button",
          class: "key",
          text: "×",
          "aria-label": t("Remove {keys}", { keys: label }),
          on: { click: () => this.#keep(withoutCombination(keptCombinations(recall(OWN)), names)) },
        });
        return element("span", { class: "own-key" }, this.#tapButton(names), remove);
      }),
    );
  }

  #keep(combinations) {
    const kept = remember(OWN, JSON.stringify(combinations));
    setText(this.#problem, kept ? "" : t("The browser has no room to keep them: they last as long as this page."));
    this.#drawOwn();
  }

  #ownForm() {
    const field = element("input", {
      type: "text",
      placeholder: "Ctrl+Alt+F2",
      "aria-label": t("A combination of your own"),
      autocapitalize: "off",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 60,
    });
    const form = element("form", { class: "field-row" }, field, element("button", { class: "small", text: t("Add") }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { names, unknown } = combinationOf(field.value);
      const combinations = names && withCombination(keptCombinations(recall(OWN)), names);
      if (combinations) {
        field.value = "";
        this.#keep(combinations);
      } else {
        setText(this.#problem, names ? t("There is room for {most}: remove one first.", { most: MOST_KEPT }) : this.#problemWords(unknown));
      }
    });
    return form;
  }

  #problemWords(unknown) {
    return unknown ? t("There is no key “{name}”.", { name: unknown }) : t("Write keys with + between them, five at most.");
  }
}

/**
 * @param {import("./screen.js").Screen} screen
 * @param {() => {windows: boolean}} instance
 */
export function buildKeysPanel(screen, instance) {
  const panel = new KeysPanel(screen);
  let drawnFor = null;
  window.addEventListener("blur", () => {
    panel.letGo();
    for (const name of HELD) {
      screen.letGo(name);
    }
  });
  screen.addEventListener("picture", () => panel.letGo());
  dropPanel("keys-button", "keys-panel", () => {
    const { windows } = instance();
    if (drawnFor !== windows) {
      drawnFor = windows;
      panel.draw({ windows });
    }
  });
}
