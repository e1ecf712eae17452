/** What is worth a notice when the console's state changes in the course of a session. Pure. */

const OPAQUE =
  "Opaque mode: the cloud uses something that vncproxy doesn’t know, so bytes are passed on unread, without keepalive, resuming or sharing.";

export class Changes {
  #ran = false;
  #away = false;
  #opaque = false;
  #discarded = 0;

  /**
   * The notices for the next state message.
   * @param {{state: string, discarded_keys?: number}} message
   * @returns {{level: "info"|"warning", text: string}[]}
   */
  next({ state, discarded_keys: discarded = 0 }) {
    const notices = [];
    if (state === "running") {
      if (this.#away) {
        notices.push(this.#back(discarded - this.#discarded));
      }
      this.#ran = true;
      this.#away = false;
      this.#discarded = discarded;
    } else if (state !== "closed") {
      this.#away = this.#ran;
    }
    if (state === "opaque" && !this.#opaque) {
      this.#opaque = true;
      notices.push({ level: "warning", text: OPAQUE });
    }
    return notices;
  }

  #back(dropped) {
    return dropped > 0
      ? { level: "warning", text: `The link is back. ${dropped} key events in between were not passed on.` }
      : { level: "info", text: "The link is back." };
  }
}
