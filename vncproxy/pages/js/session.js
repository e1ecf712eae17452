/** One admission's pair of WebSockets: the screen's bytes and the control channel. */

import { socketUrl } from "./addresses.js";
import { CLOSE_CODES } from "./closecodes.js";

/** How long the second WebSocket may take to open, to say why, or to end, after the first has ended. */
const SECOND_END_TIMEOUT_MS = 3_000;

/** How long the control channel may take to say more of an end whose reason is known. */
const LAST_WORDS_TIMEOUT_MS = 500;

/** The console couldn't be had: the daemon says all of it on the control channel, and then ends that. */
const ENDS_BOTH = new Set([4429, 4502]);

/** Codes that say nothing of the reason: the other socket may know better. */
const SILENT = new Set([1000, 1001, 1005, 1006]);

function tells({ code }) {
  return !SILENT.has(code) && CLOSE_CODES.some((entry) => entry.code === code);
}

/**
 * Events: `control` (detail: the daemon's message), `ended` (detail: {code, reason}), once.
 * Both sockets live and die together; the one that ends with a reason speaks for both.
 */
export class Session extends EventTarget {
  #screen;
  #control;
  #stream;
  #ends = [];
  #over = false;
  #timer = 0;

  /**
   * @param {import("./screen.js").Screen} screen
   * @param {string} instance
   * @param {string} ticket good once for each of the two sockets
   * @param {{view: boolean, take: boolean}} wishes
   * @param {{stream: WebSocket, end: {code: number, reason: string}|null}} [early] the screen's
   *   WebSocket, if it was opened already, and how it has ended
   */
  constructor(screen, instance, ticket, wishes, early) {
    super();
    this.#screen = screen;
    // A browser opens one after the other: the picture comes first. Source: WHATWG WebSockets, 4.1.
    this.#stream =
      early?.stream ?? new WebSocket(socketUrl(location, "websockify", instance, ticket, wishes), ["binary"]);
    this.#control = new WebSocket(socketUrl(location, "control", instance, ticket, wishes));
    this.#control.addEventListener("message", ({ data }) => this.#received(data));
    this.#control.addEventListener("open", () => this.#waitForTheOther());
    // Before noVNC attaches: its own close handler takes the picture away.
    this.#stream.addEventListener("close", () => screen.keepPicture());
    for (const socket of [this.#control, this.#stream]) {
      socket.addEventListener("close", ({ code, reason }) => this.#closed({ code, reason }));
    }
    if (early?.end) {
      this.#closed(early.end);
    } else {
      screen.attach(this.#stream);
    }
  }

  #received(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (!this.#over) {
      this.dispatchEvent(new CustomEvent("control", { detail: message }));
    }
  }

  #closed(end) {
    if (this.#over) {
      return;
    }
    this.#ends.push(end);
    if (this.#ends.length === 2) {
      this.#finish();
    } else {
      this.#waitForTheOther();
    }
  }

  /** So long from now on, if one has ended. */
  #waitForTheOther() {
    const [end] = this.#ends;
    if (this.#over || !end) {
      return;
    }
    clearTimeout(this.#timer);
    const heard = this.#control.readyState !== WebSocket.CONNECTING;
    const isAllSaid = tells(end) && heard && !ENDS_BOTH.has(end.code);
    this.#timer = setTimeout(() => this.#finish(), isAllSaid ? LAST_WORDS_TIMEOUT_MS : SECOND_END_TIMEOUT_MS);
  }

  #finish() {
    const end = this.#ends.find(tells) ?? this.#ends.find(({ code }) => code === 1006) ?? this.#ends[0];
    this.end();
    this.dispatchEvent(new CustomEvent("ended", { detail: end }));
  }

  /** Tell the daemon something; nothing happens once the session is over. */
  send(message) {
    if (this.#control.readyState === WebSocket.OPEN) {
      this.#control.send(JSON.stringify(message));
    }
  }

  /** Close both sockets without an event. */
  end() {
    if (this.#over) {
      return;
    }
    this.#over = true;
    clearTimeout(this.#timer);
    this.#screen.keepPicture();
    this.#screen.detach();
    this.#control.close();
  }
}
