/** Cuts a block of a recording, as the server sends it, into its frames. Pure. */

/** Kinds of frames: the first begins a screen anew, the last two end a block. */
export const OPENING = 0;
export const KEY = 1;
export const LIVE = 2;
export const BLOCK_END = 3;
export const DAMAGED = 4;

const HEAD_BYTES = 13;

export class FrameCutter {
  #held = new Uint8Array(0);

  /**
   * The frames that these bytes complete.
   * @param {Uint8Array} bytes
   * @returns {{time_ms: number, kind: number, data: Uint8Array}[]}
   */
  feed(bytes) {
    const all = this.#held.length ? joined(this.#held, bytes) : bytes;
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    const frames = [];
    let at = 0;
    while (all.length - at >= HEAD_BYTES) {
      const length = view.getUint32(at + 9);
      const end = at + HEAD_BYTES + length;
      if (end > all.length) {
        break;
      }
      frames.push({ time_ms: view.getFloat64(at), kind: view.getUint8(at + 8), data: all.subarray(at + HEAD_BYTES, end) });
      at = end;
    }
    this.#held = all.slice(at);
    return frames;
  }
}

function joined(first, second) {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
