/** What is worth a notice when the console's state changes in the course of a session. Pure. */

import { t, tn, together } from "./texts.js";

const OPAQUE = t(
  "Opaque mode: the cloud uses something that vncproxy doesn’t know, so bytes are passed on unread, without keepalive, resuming or sharing.",
);

export class Changes {
  #ran = false;
  #away = false;
  #opaque = false;
  #discarded = 0;
  #survived = 0;

  /** Whether the latest message told that a lost link is back: the instance has no key down since. */
  isBack = false;

  /**
   * The notices for the next state message. A loss may be over before a message told of it: then
   * only the count of losses survived shows it.
   * @param {{state: string, discarded_keys?: number, saved?: {losses_survived: number}}} message
   * @param {number} [lost] keys that the page itself kept from an instance that is back now
   * @returns {{level: "info"|"warning", text: string}[]}
   */
  next({ state, discarded_keys: discarded = 0, saved }, lost = 0) {
    const notices = [];
    let untold = lost;
    this.isBack = false;
    if (state === "running") {
      const survived = saved?.losses_survived ?? 0;
      if (this.#ran && (this.#away || survived > this.#survived)) {
        notices.push(this.#back(discarded - this.#discarded + lost));
        untold = 0;
        this.isBack = true;
      }
      this.#ran = true;
      this.#away = false;
      this.#discarded = discarded;
      this.#survived = survived;
    } else if (state !== "closed") {
      this.#away = this.#ran;
    }
    if (untold > 0) {
      const text = tn(
        untold,
        "{count} key that you pressed went nowhere while the screen was away.",
        "{count} keys that you pressed went nowhere while the screen was away.",
      );
      notices.push({ level: "warning", text });
    }
    if (state === "opaque" && !this.#opaque) {
      this.#opaque = true;
      notices.push({ level: "warning", text: OPAQUE });
    }
    return notices;
  }

  #back(dropped) {
    const back = t("The link was lost and is back.");
    if (dropped <= 0) {
      return { level: "info", text: back };
    }
    const lost = tn(
      dropped,
      "{count} key that you pressed went nowhere in between.",
      "{count} keys that you pressed went nowhere in between.",
    );
    return { level: "warning", text: together([back, lost]) };
  }
}
