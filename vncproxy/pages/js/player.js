/** Plays a recording on a screen: the clock, the speed, and where it is. */

import { BLOCK_END, DAMAGED, OPENING } from "./recordframes.js";
import { t } from "./texts.js";
import { blockAt, wholeAfter } from "./timeline.js";

const TICK_MS = 100;
/** Longer than this without anything new is idle. */
const IDLE_MS = 2_000;
/** So much of an idle time is left before what ends it. */
const LEAD_MS = 500;
/** So much that the picture was late is caught up with; of more, the clock forgets the rest. */
const LAG_MS = 400;

/**
 * The position never passes what the picture shows: the clock waits for a picture that is late.
 *
 * Events: `change` (playing, ended or busy), `time` (the position), `fault` (detail: words).
 *
 * The screen has `begin(serverInit)`, `push(messages)`, `show()` and `end()`; `open(number, live,
 * signal)` gives the frames of a block, as an async iterable.
 */
export class Player extends EventTarget {
  #screen;
  #contents;
  #open;
  #now;
  #turn = 0;
  #abort = new AbortController();
  #playing = false;
  #busy = true;
  #base_ms = 0;
  #base_at = 0;
  /** Up to here the picture is the right one. */
  #limit_ms = 0;
  #told_at = 0;
  #speed = 1;
  #wake = () => {};
  #timer = 0;
  #skipIdle = false;

  /**
   * @param {{duration_ms: number, blocks: {time_ms: number, whole: boolean, continues: boolean}[]}} contents
   * @param {() => number} [now] milliseconds that only grow
   */
  constructor(screen, contents, open, now = () => performance.now()) {
    super();
    this.#screen = screen;
    this.#contents = contents;
    this.#open = open;
    this.#now = now;
  }

  get duration_ms() {
    return this.#contents.duration_ms;
  }

  get position_ms() {
    return Math.min(this.#clock_ms, this.#limit_ms, this.duration_ms);
  }

  /** Where it would be if no picture were late. */
  get #clock_ms() {
    const ran_ms = this.#playing && !this.#busy ? (this.#now() - this.#base_at) * this.#speed : 0;
    return this.#base_ms + ran_ms;
  }

  get playing() {
    return this.#playing;
  }

  /** Whether the picture of the position isn't there yet. */
  get busy() {
    return this.#busy;
  }

  get ended() {
    return !this.#busy && this.position_ms >= this.duration_ms;
  }

  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#rebase(this.position_ms);
    this.#speed = speed;
    this.#wake();
  }

  /** Whether times in which nothing changes are left out. */
  get skipIdle() {
    return this.#skipIdle;
  }

  set skipIdle(skips) {
    this.#skipIdle = skips;
    this.#wake();
  }

  play() {
    if (this.ended) {
      this.seek(0);
    }
    this.#set(true);
  }

  pause() {
    this.#set(false);
  }

  #set(playing) {
    if (playing !== this.#playing) {
      this.#rebase(this.position_ms);
      this.#playing = playing;
      this.#wake();
      this.#tell("change");
    }
  }

  /** Go there; playing goes on if it was. @param {number} at_ms */
  seek(at_ms) {
    const to_ms = Math.min(Math.max(at_ms, 0), this.duration_ms);
    this.#stop();
    this.#busy = true;
    this.#limit_ms = to_ms;
    this.#rebase(to_ms);
    this.#tell("change");
    this.#tell("time");
    const turn = this.#turn;
    this.#run(to_ms, turn).catch((fault) => this.#failed(fault, turn));
  }

  /** Let go of everything. */
  end() {
    this.#stop();
    this.#screen.end();
  }

  /** The screen can't go on. */
  broke() {
    this.#failed(new Error(t("The picture couldn’t be drawn.")), this.#turn);
  }

  #stop() {
    this.#turn += 1;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#wake();
  }

  #rebase(position_ms) {
    this.#base_ms = position_ms;
    this.#base_at = this.#now();
  }

  /** The picture is the right one up to a moment. */
  #allow(time_ms) {
    if (this.#clock_ms - this.#limit_ms > LAG_MS * this.#speed) {
      this.#rebase(this.#limit_ms);
    }
    this.#limit_ms = Math.max(this.#limit_ms, time_ms);
    if (this.#now() - this.#told_at >= TICK_MS) {
      this.#tell("time");
    }
  }

  #tell(name, detail = null) {
    if (name === "time") {
      this.#told_at = this.#now();
    }
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #failed(fault, turn) {
    if (turn === this.#turn && fault.name !== "AbortError") {
      this.#stop();
      this.#playing = false;
      this.#tell("change");
      this.#tell("fault", fault.message);
    }
  }

  async #run(from_ms, turn) {
    let seeking = true;
    let begun = false;
    let opened = false;
    const arrived = async () => {
      await this.#screen.show();
      if (turn === this.#turn) {
        seeking = begun = false;
        this.#busy = false;
        this.#rebase(from_ms);
        this.#tell("change");
      }
    };
    for await (const { time_ms, kind, data } of this.#frames(blockAt(this.#contents.blocks, from_ms))) {
      if (seeking && time_ms > from_ms && (opened || kind !== OPENING)) {
        await arrived();
      }
      if (!seeking && turn === this.#turn) {
        this.#allow(time_ms);
        await this.#until(time_ms, turn);
      }
      if (turn !== this.#turn) {
        return;
      }
      if (kind === OPENING) {
        this.#screen.begin(data);
        begun = opened = true;
        continue;
      }
      await this.#screen.push(data);
      if (seeking) {
        continue;
      }
      if (begun) {
        await this.#screen.show();
      }
      begun = false;
    }
    if (turn === this.#turn && seeking) {
      await arrived();
    }
    if (turn === this.#turn) {
      this.#allow(this.duration_ms);
    }
    await this.#until(this.duration_ms, turn);
    if (turn === this.#turn) {
      this.#set(false);
      this.#tell("change");
      this.#tell("time");
    }
  }

  /**
   * The frames of all blocks from one on: of those that continue, only what is new. Where one is
   * damaged, it goes on with the next whole picture.
   */
  async *#frames(first) {
    const { blocks } = this.#contents;
    let anew = true;
    for (let number = first; number < blocks.length; number += 1) {
      const live = !anew && blocks[number].continues;
      anew = false;
      let complete = false;
      for await (const frame of this.#open(number, live, this.#abort.signal)) {
        if (frame.kind === DAMAGED) {
          const next = wholeAfter(blocks, number);
          if (next === null) {
            throw new Error(new TextDecoder().decode(frame.data));
          }
          number = next - 1;
          anew = complete = true;
          break;
        }
        complete = frame.kind === BLOCK_END;
        if (!complete) {
          yield frame;
        }
      }
      if (!complete) {
        throw new Error(t("vncproxy replay was ended meanwhile."));
      }
    }
  }

  /** Wait until the clock is there, or another turn has begun. */
  async #until(time_ms, turn) {
    for (;;) {
      const left_ms = time_ms - this.position_ms;
      if (turn !== this.#turn || left_ms <= 0) {
        return;
      }
      if (!this.#playing) {
        await this.#rest();
      } else if (this.#skipIdle && left_ms > IDLE_MS) {
        this.#rebase(time_ms - LEAD_MS);
        this.#tell("time");
      } else {
        await this.#rest(Math.min(left_ms / this.#speed, TICK_MS));
        this.#tell("time");
      }
    }
  }

  /** Until something changes, or so long. */
  #rest(time_ms) {
    return new Promise((resolve) => {
      this.#wake = () => {
        clearTimeout(this.#timer);
        resolve();
      };
      if (time_ms !== undefined) {
        this.#timer = setTimeout(resolve, time_ms);
      }
    });
  }
}
