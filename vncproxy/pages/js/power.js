/** The dialog in which an instance is started, stopped or restarted, and the button for it on a console. */

import { instancePath } from "./addresses.js";
import { call } from "./api.js";
import { byId, element, setText } from "./elements.js";
import { followPower } from "./powerfollow.js";
import { choices, progress, question, taken } from "./powerwords.js";
import { t, together } from "./texts.js";
import { refusalWords, sentence, titleOf } from "./words.js";

const POLL_INTERVAL_MS = 1_000;

/** The daemon answers once the cloud has taken it, or it is known that nobody knows. */
const SENDING_TIMEOUT_MS = 120_000;

class PowerDialog {
  #title = element("h2", { id: "power-title" });
  #text = element("p", { role: "status" });
  #label = element("label", { for: "power-name" });
  #name = element("input", { id: "power-name", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
  #typed = element("div", { class: "power-typed" }, this.#label, this.#name);
  #problem = element("p", { class: "problem", role: "alert" });
  #choices = element("div", { class: "actions" });
  #close = element("button", { type: "button", text: t("Close"), on: { click: () => this.#dialog.close() } });
  #go = element("button", { type: "submit", class: "primary" });
  #form = element(
    "form",
    { on: { submit: (event) => this.#submitted(event) } },
    this.#title,
    this.#text,
    this.#typed,
    this.#problem,
    this.#choices,
    element("div", { class: "dialog-row" }, element("span", { class: "grow" }), this.#close, this.#go),
  );
  #dialog = element("dialog", { class: "card sheet-dialog power-dialog", "aria-labelledby": "power-title" }, this.#form);

  #instance = null;
  #shownName = "";
  #hooks = {};
  #wish = null;
  #turn = 0;

  constructor() {
    document.body.append(this.#dialog);
    this.#name.addEventListener("input", () => this.#checkName());
    this.#dialog.addEventListener("close", () => {
      this.#turn += 1;
    });
  }

  /**
   * @param {{alias: string|null, id: string}} instance @param {string} name what people call it
   * @param {{changed?: () => void, accepted?: (text: string) => boolean}} hooks `changed`: its state
   *   did; `accepted`: the cloud has taken it; true: the dialog isn't needed any more
   */
  async open(instance, name, hooks) {
    this.#instance = instance;
    this.#shownName = name;
    this.#hooks = hooks;
    this.#turn += 1;
    this.#show({ title: t("Power of {name}", { name }), text: t("One moment."), close: t("Close") });
    if (!this.#dialog.open) {
      this.#dialog.showModal();
    }
    this.#close.focus();
    await this.#look(this.#turn);
  }

  /** Ask for the state, and again as long as something is under way. */
  async #look(turn) {
    let state;
    try {
      state = await call("GET", instancePath(this.#instance, "power"));
    } catch (error) {
      if (turn === this.#turn) {
        this.#failed(error);
      }
      return;
    }
    if (turn === this.#turn) {
      this.#offer(state);
      if (state.under_way) {
        setTimeout(() => turn === this.#turn && this.#look(turn), POLL_INTERVAL_MS);
      } else if (state.ended) {
        this.#hooks.changed?.();
      }
    }
  }

  /** What can be done now. */
  #offer(state) {
    const text = progress(state, this.#shownName);
    this.#show({ title: t("Power of {name}", { name: this.#shownName }), text, close: t("Close"), choices: choices(state) });
  }

  #show({ title, text, close, go = "", typed = "", choices = [] }) {
    setText(this.#title, title);
    setText(this.#text, text);
    setText(this.#problem, "");
    setText(this.#close, close);
    this.#typed.hidden = !typed;
    this.#label.textContent = typed ? t("Type {name} to go on", { name: typed }) : "";
    this.#name.value = "";
    this.#go.hidden = !go;
    setText(this.#go, go);
    this.#go.classList.toggle("danger", Boolean(typed));
    const key = JSON.stringify(choices);
    if (this.#choices.dataset.key !== key) {
      this.#choices.dataset.key = key;
      this.#choices.replaceChildren(...choices.map((choice) => this.#choice(choice)));
    }
    this.#checkName();
  }

  #choice({ action, force, label }) {
    return element("button", {
      type: "button",
      class: force ? "quiet danger" : "",
      text: label,
      on: { click: () => this.#chosen(action, force) },
    });
  }

  #chosen(action, force) {
    // What is polled meanwhile must not take the question away.
    this.#turn += 1;
    this.#wish = { action, force };
    const asked = question(action, force, this.#shownName);
    if (!asked) {
      this.#send();
      return;
    }
    this.#show({ title: asked.title, text: asked.text, close: t("Cancel"), go: asked.button, typed: asked.typed });
    // A Return too many must not stop anything.
    (asked.typed ? this.#name : this.#close).focus();
  }

  #checkName() {
    this.#go.disabled = !this.#typed.hidden && this.#name.value.trim() !== this.#shownName;
  }

  #submitted(event) {
    event.preventDefault();
    if (!this.#go.hidden && !this.#go.disabled) {
      this.#send();
    }
  }

  async #send() {
    const turn = this.#turn;
    const { action, force } = this.#wish;
    const [instance, name, hooks] = [this.#instance, this.#shownName, this.#hooks];
    this.#show({ title: t("Power of {name}", { name }), text: t("Asking the cloud."), close: t("Close") });
    try {
      await call("POST", instancePath(instance, "power"), { action, force }, SENDING_TIMEOUT_MS);
    } catch (error) {
      hooks.changed?.();
      if (turn === this.#turn) {
        this.#failed(error);
      }
      return;
    }
    hooks.changed?.();
    if (hooks.accepted?.(taken(action, name))) {
      this.#dialog.close();
    } else if (turn === this.#turn) {
      this.#look(turn);
    }
  }

  #failed(error) {
    const { title, text } = refusalWords(error);
    this.#show({ title: t("Power of {name}", { name: this.#shownName }), text: "", close: t("Close") });
    setText(this.#problem, error.word === "power-uncertain" ? text : together([sentence(title), text]));
  }
}

let dialog = null;

/** Open the dialog. See `PowerDialog.open`. */
export function openPower(instance, name, hooks = {}) {
  dialog ??= new PowerDialog();
  return dialog.open(instance, name, hooks);
}

/**
 * The button on a console.
 * @param {(level: "info"|"warning", text: string) => () => void} notice gives what takes it away
 * @param {() => void} runsAgain called once an instance that was started or restarted runs
 * @returns {(instance: {alias: string, id: string, name?: string}, mayPower: boolean) => void} to be called when
 *   the daemon has said which instance it is
 */
export function buildPowerButton(notice, runsAgain) {
  const button = byId("power-button");
  let instance = null;
  let following = 0;
  let hideLast = () => {};

  /** Each step takes the notice of the one before away: it is over. */
  const tell = (level, text) => {
    hideLast();
    hideLast = notice(level, text);
  };

  async function follow(name) {
    following += 1;
    const mine = following;
    const runs = await followPower(name, {
      ask: () => call("GET", instancePath(instance, "power")),
      sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      wanted: () => mine === following,
      notice: tell,
    });
    if (runs) {
      runsAgain();
    }
  }

  button.addEventListener("click", () => {
    const name = titleOf(instance);
    openPower(instance, name, {
      accepted: (text) => {
        tell("info", text);
        follow(name);
        return true;
      },
    });
  });
  return (admitted, mayPower) => {
    instance = admitted;
    button.hidden = !mayPower;
  };
}
