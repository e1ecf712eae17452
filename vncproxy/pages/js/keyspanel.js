/** The panel of special keys: held modifiers, single keys, combinations, virtual terminals. */

import { byId, element } from "./elements.js";
import { closePanels, dropPanel } from "./panels.js";

const HELD = [
  ["Control", "Ctrl"],
  ["Alt", "Alt"],
  ["Shift", "Shift"],
  ["Super", "Super"],
];
const SINGLE = [
  [["Escape"], "Esc"],
  [["Tab"], "Tab"],
  [["Super"], "Super"],
  [["Delete"], "Delete"],
  [["Insert"], "Insert"],
  [["PrintScreen"], "Print"],
  [["Pause"], "Pause"],
];
const COMBINED = [
  [["Alt", "Tab"], "Alt+Tab"],
  [["Alt", "F4"], "Alt+F4"],
  [["Control", "Shift", "Escape"], "Ctrl+Shift+Esc"],
  [["Control", "Alt", "Backspace"], "Ctrl+Alt+Backspace"],
];
const FUNCTION = Array.from({ length: 12 }, (_, index) => `F${index + 1}`);

function group(title, hint, ...buttons) {
  return element(
    "div",
    { class: "key-group", role: "group", "aria-label": title },
    element("h2", { text: title }),
    hint && element("p", { class: "hint", text: hint }),
    element("div", { class: "key-row" }, ...buttons),
  );
}

/** @param {import("./screen.js").Screen} screen */
export function buildKeysPanel(screen) {
  const tapButton = ([names, label]) =>
    element("button", { type: "button", class: "key", text: label, on: { click: () => screen.tap(...names) } });
  const held = HELD.map(([name, label]) => {
    const button = element("button", { type: "button", class: "key", "aria-pressed": "false", text: label });
    button.addEventListener("click", () => {
      const down = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(down));
      screen.hold(name, down);
      screen.focus();
    });
    return button;
  });
  const letGo = () => held.forEach((button) => button.setAttribute("aria-pressed", "false"));
  window.addEventListener("blur", () => {
    letGo();
    for (const [name] of HELD) {
      screen.letGo(name);
    }
  });
  screen.addEventListener("picture", letGo);
  const wake = element("button", {
    type: "button",
    class: "key wide",
    text: "Wake the screen (Shift)",
    on: {
      click: () => {
        screen.tap("Shift");
        closePanels();
        screen.focus();
      },
    },
  });
  byId("keys-panel").replaceChildren(
    group("Hold down", "They stay down while you type, until pressed here again.", ...held),
    group("Press once", "", ...SINGLE.map(tapButton)),
    group("Combinations", "", ...COMBINED.map(tapButton)),
    group("Function keys", "", ...FUNCTION.map((name) => tapButton([[name], name]))),
    group(
      "Linux terminals",
      "Ctrl+Alt with a function key.",
      ...FUNCTION.map((name) => tapButton([["Control", "Alt", name], name])),
    ),
    element("div", { class: "key-group" }, wake),
  );
  dropPanel("keys-button", "keys-panel");
}
