/** The card over the screen: what is going on, what to do, and the last picture darkened behind. */

import { Countdown } from "./countdown.js";
import { byId, element, setText } from "./elements.js";
import { t } from "./texts.js";
import { sentence, spoken, timeLeft, wentNowhere } from "./words.js";

/**
 * @typedef {object} Message
 * @property {"wait"|"ask"|"stop"} tone wait: it goes on by itself; ask: the person is needed; stop
 * @property {string} title
 * @property {string} text
 * @property {string} [next] what happens by itself
 * @property {string} [detail]
 * @property {string} [link] an address to go on at
 * @property {string} [codes] the cloud's, for whoever asks its support
 * @property {{seconds?: number, words: string, done?: () => void}} [countdown] `{time}` in `words` is what is left
 * @property {{label: string, run: () => void, look?: "primary"|"quiet"|""}[]} [actions]
 * @property {HTMLElement} [form]
 * @property {string} [formKey] the same key keeps a form that is already there, with what was typed
 */

export class MessageCard {
  #countdown = new Countdown();
  #formKey = "";
  #actions = [];

  /** @param {Message} message */
  show({ tone, title, text, next = "", detail = "", link = "", codes = "", countdown, actions = [], form, formKey = "" }) {
    const veil = byId("veil");
    const card = byId("message");
    const appeared = veil.hidden;
    veil.hidden = false;
    veil.dataset.tone = tone;
    byId("message-spinner").hidden = tone !== "wait";
    setText(byId("message-title"), title);
    for (const [id, said] of Object.entries({ text, next, detail, codes })) {
      const line = byId(`message-${id}`);
      setText(line, said);
      line.hidden = !said;
    }
    if (link) {
      // The other daemon lets those in by a link that come from pages that it knows.
      byId("message-detail").replaceChildren(element("a", { href: link, referrerpolicy: "strict-origin", text: link }));
      byId("message-detail").hidden = false;
    }
    this.#showForm(form, formKey);
    this.#offer(actions);
    this.#count(countdown);
    setText(byId("announce"), spoken(title, text, next));
    if (form) {
      if (appeared || this.#formKey !== formKey) {
        form.querySelector("input")?.focus();
      }
    } else if (appeared) {
      // Not the button: somebody in the middle of a line must not press it by Return.
      card.focus({ preventScroll: true });
    }
    this.#formKey = form ? formKey : "";
  }

  /** The buttons. One that stays is not made anew: a click that has begun on it would go nowhere. */
  #offer(actions) {
    const seen = ({ label, look = "" }) => `${label} ${look}`;
    const same = actions.length === this.#actions.length
      && actions.every((action, index) => seen(action) === seen(this.#actions[index]));
    this.#actions = actions;
    if (same) {
      return;
    }
    byId("message-actions").replaceChildren(
      ...actions.map(({ label, look = "" }, index) =>
        element("button", {
          type: "button",
          class: look,
          text: label,
          on: { click: () => this.#actions[index].run() },
        }),
      ),
    );
  }

  #showForm(form, formKey) {
    const slot = byId("message-form");
    slot.hidden = !form;
    if (!form) {
      slot.replaceChildren();
    } else if (formKey !== this.#formKey || !slot.hasChildNodes()) {
      slot.replaceChildren(form);
    }
  }

  #count(countdown) {
    const line = byId("message-countdown");
    line.hidden = !countdown;
    if (!countdown) {
      this.#countdown.stop();
      return;
    }
    const { seconds, words, done } = countdown;
    if (seconds === undefined) {
      this.#countdown.stop();
      setText(line, words);
      return;
    }
    const tick = (left_s) => setText(line, words.replace("{time}", timeLeft(left_s)));
    this.#countdown.start(seconds, tick, done);
  }

  /** Whether it is over the screen and goes away by itself. */
  get waits() {
    return !byId("veil").hidden && byId("veil").dataset.tone === "wait";
  }

  /** Say how many keys went nowhere meanwhile. @param {number} count */
  lost(count) {
    byId("message-lost").hidden = count === 0;
    setText(byId("message-lost"), count ? sentence(wentNowhere(count)) : "");
  }

  /** Show the screen; says whether the card was there. */
  hide() {
    this.#countdown.stop();
    this.#formKey = "";
    if (byId("veil").hidden) {
      return false;
    }
    byId("veil").hidden = true;
    byId("message-form").replaceChildren();
    setText(byId("announce"), t("The screen is shown."));
    return true;
  }
}

/**
 * A form for secrets; `submit` gets the values by name, and the fields are emptied.
 * @param {{name: string, label: string, secret: boolean, pattern?: string, hint?: string}[]} fields
 *   pattern: what the browser lets through; hint: says so
 * @param {string} button
 * @param {(values: Record<string, string>) => void} submit
 * @param {string} [problem]
 */
export function secretForm(fields, button, submit, problem = "") {
  const inputs = fields.map(({ name, label, secret, pattern, hint }) => ({
    name,
    label,
    input: element("input", {
      id: `secret-${name}`,
      type: secret ? "password" : "text",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      required: true,
      pattern,
      title: hint,
    }),
  }));
  const form = element(
    "form",
    { class: "secret" },
    problem && element("p", { class: "problem", role: "alert", text: problem }),
    ...inputs.flatMap(({ label, input }) => [element("label", { for: input.id, text: label }), input]),
    element("button", { class: "primary", type: "submit", text: button }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = Object.fromEntries(inputs.map(({ name, input }) => [name, input.value]));
    for (const { input } of inputs) {
      input.value = "";
    }
    submit(values);
  });
  return form;
}
