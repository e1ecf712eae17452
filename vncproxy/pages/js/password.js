/** The VNC password: asked for, sent on the control channel once, and forgotten. */

import { secretForm } from "./message.js";
import { t } from "./texts.js";
import { sentence } from "./words.js";

const FIELDS = [
  {
    name: "password",
    label: t("VNC password"),
    secret: true,
    pattern: "[\\x20-\\x7e]{1,8}",
    hint: t("One to eight plain characters; Aliyun’s have six letters or digits"),
  },
];
const TITLE = t("The VNC password is needed");
const EXPLAINED = t(
  "It has six letters or digits and is set in the cloud’s console. It is not the password of the operating system. vncproxy keeps it in memory while this console is open.",
);

const UNASKED = t("Nobody gave it while the console waited for it.");

/** What is wrong with the password that was given; that one is needed is no fault. */
function problemOf(error) {
  return error?.password_wrong ? sentence(error.text) : "";
}

export class PasswordDesk {
  #card;
  #send;
  #kept = null;
  #triedSince = null;

  /**
   * @param {import("./message.js").MessageCard} card
   * @param {(message: object) => void} send
   */
  constructor(card, send) {
    this.#card = card;
    this.#send = send;
  }

  /** A picture came: whatever was tried was right. */
  accepted() {
    this.#triedSince = null;
  }

  /** The daemon waits for the password. @param {{since: number, text?: string, error?: {text: string}|null}} state */
  wanted({ since, text, error }) {
    const problem = problemOf(error);
    if (this.#kept !== null) {
      const password = this.#kept;
      this.#kept = null;
      this.#give(password, since);
    } else if (this.#triedSince !== since) {
      // The same question keeps its form, with what was typed so far.
      this.#ask(`${since} ${problem}`, text ?? "", problem, (password) => this.#give(password, since));
    }
  }

  /**
   * The session ended for want of the right password: `again` starts the next one.
   * @param {{text: string, password_wrong?: boolean}|null|undefined} error by the daemon
   */
  wantedAfterEnd(again, error) {
    this.#triedSince = null;
    this.#ask("after end", error?.password_wrong ? "" : UNASKED, problemOf(error), (password) => {
      this.#kept = password;
      again();
    });
  }

  #give(password, since) {
    this.#triedSince = since;
    this.#send({ type: "password", password });
    this.#card.show({ tone: "wait", title: t("Checking the password"), text: t("The instance is being asked.") });
  }

  #ask(question, text, problem, submit) {
    this.#card.show({
      tone: "ask",
      title: TITLE,
      text: text || EXPLAINED,
      detail: text ? EXPLAINED : "",
      form: secretForm(FIELDS, t("Connect"), ({ password }) => submit(password), problem),
      formKey: `password ${question}`,
    });
  }
}
