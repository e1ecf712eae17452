/**
 * Plays the server to noVNC: looks like a WebSocket, and hands it what was recorded.
 *
 * noVNC answers a fence once it has decoded what came before, so fences tell how far it is, and
 * keep a fast reader of the recording from running away from it.
 */

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

const MARK_BYTES = 256 * 1024;
const WINDOW_BYTES = 2 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;

const GREETING = new TextEncoder().encode("RFB 003.008\n");
/** One security type, None, and that it succeeded. */
const SECURITY = [1, 1, 0, 0, 0, 0];
/** An update without rectangles: noVNC begins none before all images of the last are drawn. */
const EMPTY_UPDATE = [0, 0, 0, 0];
const FENCE = 248;
const CLIENT_FENCE_BYTES = 13;

function fence(number) {
  return [FENCE, 0, 0, 0, 0x80, 0, 0, 0, 4, number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
}

export class ReplayChannel {
  binaryType = "arraybuffer";
  protocol = "binary";
  readyState = CONNECTING;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  #number = 0;
  #marks = [];
  #ahead_bytes = 0;
  #unmarked_bytes = 0;

  /** Shake hands, once noVNC listens. @param {Uint8Array} serverInit */
  open(serverInit) {
    this.readyState = OPEN;
    this.onopen?.({});
    this.#deliver(Uint8Array.from([...GREETING, ...SECURITY, ...serverInit]));
  }

  /** Hand over whole messages; done when noVNC isn't far behind. @param {Uint8Array} bytes */
  async push(bytes) {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#deliver(bytes.subarray(at, at + PIECE_BYTES));
    }
    this.#ahead_bytes += bytes.length;
    this.#unmarked_bytes += bytes.length;
    if (this.#unmarked_bytes >= MARK_BYTES) {
      this.#mark();
    }
    while (this.#ahead_bytes > WINDOW_BYTES && this.#marks.length) {
      await this.#marks[0].answered;
    }
  }

  /** Done when everything that was pushed is on the screen. */
  async drawn() {
    this.#deliver(Uint8Array.from(EMPTY_UPDATE));
    await this.#mark();
  }

  #mark() {
    if (this.readyState !== OPEN) {
      return Promise.resolve();
    }
    const number = ++this.#number;
    const size_bytes = this.#unmarked_bytes;
    this.#unmarked_bytes = 0;
    const mark = { number, size_bytes };
    mark.answered = new Promise((resolve) => {
      mark.resolve = resolve;
    });
    this.#marks.push(mark);
    this.#deliver(Uint8Array.from(fence(number)));
    return mark.answered;
  }

  #deliver(bytes) {
    if (this.readyState === OPEN) {
      this.onmessage?.({ data: bytes });
    }
  }

  /** What noVNC says: of all that, only the answers to fences matter here. @param {Uint8Array} data */
  send(data) {
    if (data[0] !== FENCE || data.length !== CLIENT_FENCE_BYTES) {
      return;
    }
    const number = new DataView(data.buffer, data.byteOffset + 9, 4).getUint32(0);
    while (this.#marks.length && this.#marks[0].number <= number) {
      this.#passed(this.#marks.shift());
    }
  }

  #passed({ size_bytes, resolve }) {
    this.#ahead_bytes -= size_bytes;
    resolve();
  }

  close() {
    if (this.readyState === CLOSED) {
      return;
    }
    this.readyState = CLOSED;
    this.#marks.splice(0).forEach((mark) => this.#passed(mark));
    queueMicrotask(() => this.onclose?.({ code: 1000, reason: "", wasClean: true }));
  }
}
