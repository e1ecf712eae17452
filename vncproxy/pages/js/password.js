/** The VNC password: asked for, sent on the control channel once, and forgotten. */

import { secretForm } from "./message.js";
import { sentence } from "./words.js";

const FIELDS = [
  {
    name: "password",
    label: "VNC password",
    secret: true,
    pattern: "[\\x20-\\x7e]{1,8}",
    hint: "One to eight plain characters; Aliyun’s have six letters or digits",
  },
];
const TITLE = "The VNC password is needed";
const EXPLAINED =
  "It has six letters or digits and is set in the cloud’s console. It is not the password of the operating system. vncproxy keeps it in memory while this console is open.";

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
    if (this.#kept !== null) {
      const password = this.#kept;
      this.#kept = null;
      this.#give(password, since);
    } else if (this.#triedSince !== since) {
      const problem = sentence(error?.text ?? "") || (this.#triedSince === null ? "" : "The password was not accepted.");
      // The same question keeps its form, with what was typed so far.
      this.#ask(`${since} ${problem}`, text ?? "", problem, (password) => this.#give(password, since));
    }
  }

  /** The session ended for want of the right password: `again` starts the next one. @param {string} said by the daemon */
  wantedAfterEnd(again, said) {
    const problem = sentence(said ?? "") || (this.#triedSince === null ? "" : "The password was not accepted.");
    this.#triedSince = null;
    this.#ask("after end", "", problem, (password) => {
      this.#kept = password;
      again();
    });
  }

  #give(password, since) {
    this.#triedSince = since;
    this.#send({ type: "password", password });
    this.#card.show({ tone: "wait", title: "Checking the password", text: "The instance is being asked." });
  }

  #ask(question, text, problem, submit) {
    this.#card.show({
      tone: "ask",
      title: TITLE,
      text: text || EXPLAINED,
      detail: text ? EXPLAINED : "",
      form: secretForm(FIELDS, "Connect", ({ password }) => submit(password), problem),
      formKey: `password ${question}`,
    });
  }
}
