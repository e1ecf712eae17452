/** Looking at an instance without a session: its screen and its boot log in a dialog. */

import { instancePath } from "./addresses.js";
import { load } from "./api.js";
import { element, setText } from "./elements.js";
import { saveFile, stamp } from "./savefile.js";
import { dayAndTime, t } from "./texts.js";
import { refusalWords, titleOf } from "./words.js";

const ENDINGS = { "image/png": "png", "image/jpeg": "jpg", "text/plain": "txt" };
const VIEWS = { screenshot: t("Screen"), "boot-log": t("Boot log") };

class LookDialog {
  #title = element("h2", { id: "look-title" });
  #tabs = Object.entries(VIEWS).map(([what, text]) =>
    element("button", { type: "button", class: "tab", text, "aria-pressed": "false", on: { click: () => this.#see(what) } }));
  #picture = element("img", { class: "look-picture" });
  #log = element("pre", { class: "look-log", tabindex: "0", "aria-label": t("Boot log") });
  #said = element("p", { class: "hint grow", role: "status" });
  #problem = element("p", { class: "problem", role: "alert" });
  #wake = element("button", { type: "button", text: t("Wake it"), title: t("Wakes a screen that sleeps, by a key stroke"), on: { click: () => this.#see("screenshot", "?wake=1") } });
  #again = element("button", { type: "button", text: t("Look again"), on: { click: () => this.#see(this.#what) } });
  #save = element("button", { type: "button", text: t("Save"), on: { click: () => this.#saved() } });
  #close = element("button", { type: "button", text: t("Close"), on: { click: () => this.#dialog.close() } });
  #dialog = element(
    "dialog",
    { class: "card sheet-dialog look-dialog", "aria-labelledby": "look-title" },
    element("div", { class: "dialog-row" }, this.#title, element("span", { class: "grow" }), ...this.#tabs),
    element("div", { class: "look-view" }, this.#picture, this.#log),
    this.#problem,
    element("div", { class: "dialog-row" }, this.#said, this.#wake, this.#again, this.#save, this.#close),
  );

  #instance = null;
  #what = "screenshot";
  #blob = null;
  #address = "";
  #turn = 0;

  constructor() {
    document.body.append(this.#dialog);
    this.#dialog.addEventListener("close", () => this.#forget());
  }

  open(instance) {
    this.#instance = instance;
    setText(this.#title, titleOf(instance));
    this.#tabs[1].hidden = instance.windows === true;
    this.#dialog.showModal();
    this.#close.focus();
    return this.#see("screenshot");
  }

  /** Ask for it, and show it. What was there stays until something else is, if it is of the same kind. */
  async #see(what, query = "") {
    this.#turn += 1;
    const turn = this.#turn;
    if (what !== this.#what) {
      this.#drop();
    }
    this.#what = what;
    this.#busy(true);
    setText(this.#problem, "");
    setText(this.#said, query ? t("Waking it; the cloud allows one picture in 10 seconds.") : t("Asking the cloud."));
    let file;
    try {
      file = await load(instancePath(this.#instance, `${what}${query}`));
    } catch (error) {
      if (turn === this.#turn) {
        this.#busy(false);
        setText(this.#said, "");
        const { title, text } = refusalWords(error);
        setText(this.#problem, text || title);
      }
      return;
    }
    if (turn !== this.#turn) {
      return;
    }
    this.#drop();
    this.#blob = file.blob;
    if (what === "screenshot") {
      this.#address = URL.createObjectURL(file.blob);
      this.#picture.src = this.#address;
      this.#picture.alt = t("Screen of {name}", { name: titleOf(this.#instance) });
    } else {
      this.#log.textContent = (await file.blob.text()) || t("Nothing was printed yet.");
    }
    const at = what === "screenshot" ? new Date() : file.modified;
    const time = at && dayAndTime(at);
    const said = what === "screenshot" ? t("Seen at {time}.", { time }) : t("Last line of {time}.", { time });
    setText(this.#said, at ? said : "");
    this.#busy(false);
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #busy(busy) {
    const isPicture = this.#what === "screenshot";
    this.#tabs.forEach((tab, at) => tab.setAttribute("aria-pressed", String((at === 0) === isPicture)));
    this.#picture.hidden = !isPicture || !this.#address;
    this.#log.hidden = isPicture;
    this.#wake.hidden = !isPicture;
    this.#save.hidden = !this.#blob;
    for (const button of [this.#wake, this.#again]) {
      button.disabled = busy;
    }
  }

  #saved() {
    const ending = ENDINGS[this.#blob.type.split(";")[0]] ?? "bin";
    saveFile(this.#blob, `${this.#instance.alias || this.#instance.id}-${stamp(new Date())}.${ending}`);
  }

  #drop() {
    URL.revokeObjectURL(this.#address);
    this.#address = "";
    this.#picture.removeAttribute("src");
    this.#log.textContent = "";
    this.#blob = null;
  }

  /** Whoever sits down here next mustn't see it. */
  #forget() {
    this.#turn += 1;
    this.#drop();
  }
}

let dialog = null;

/** @param {{alias: string|null, id: string, windows: boolean, name?: string}} instance */
export function openLook(instance) {
  dialog ??= new LookDialog();
  return dialog.open(instance);
}
