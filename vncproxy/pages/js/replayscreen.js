/** The picture of a recording: noVNC on a channel that only speaks, and the last picture meanwhile. */

import Inflate from "../novnc/core/inflator.js";
import RFB from "../novnc/core/rfb.js";
import { mendReset } from "./inflatereset.js";
import { ReplayChannel } from "./replaychannel.js";
import { t } from "./texts.js";

mendReset(Inflate);

/** Events: `fault` (noVNC can't go on), `dimensions` (they may have changed). */
export class ReplayScreen extends EventTarget {
  #target;
  #ghost;
  #rfb = null;
  #channel = null;
  #sizeWatch = new MutationObserver(() => this.dispatchEvent(new CustomEvent("dimensions")));

  /** @param {HTMLElement} target @param {HTMLCanvasElement} ghost */
  constructor(target, ghost) {
    super();
    this.#target = target;
    this.#ghost = ghost;
  }

  /** Begin with an empty picture; what was there stays to be seen until `show`. @param {Uint8Array} serverInit */
  begin(serverInit) {
    this.#keepPicture();
    this.end();
    const channel = new ReplayChannel();
    const rfb = new RFB(this.#target, channel, { shared: true });
    this.#channel = channel;
    this.#rfb = rfb;
    rfb.viewOnly = true;
    rfb.focusOnClick = false;
    rfb.scaleViewport = true;
    rfb.background = "transparent";
    rfb.addEventListener("disconnect", () => {
      if (this.#rfb === rfb) {
        this.dispatchEvent(new CustomEvent("fault"));
      }
    });
    const canvas = this.#canvas;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", t("Screen of the instance, as recorded"));
    this.#sizeWatch.observe(canvas, { attributeFilter: ["width", "height"] });
    channel.open(serverInit);
  }

  /** @param {Uint8Array} messages */
  async push(messages) {
    await this.#channel?.push(messages);
  }

  /** Done when all that was pushed is to be seen. */
  async show() {
    await this.#channel?.drawn();
    this.#ghost.hidden = true;
  }

  end() {
    const rfb = this.#rfb;
    this.#rfb = null;
    this.#channel = null;
    this.#sizeWatch.disconnect();
    rfb?.disconnect();
  }

  get #canvas() {
    return this.#target.querySelector("canvas");
  }

  /** @returns {{width: number, height: number}|null} */
  get dimensions() {
    const canvas = this.#canvas;
    return canvas ? { width: canvas.width, height: canvas.height } : null;
  }

  #keepPicture() {
    const canvas = this.#canvas;
    if (canvas && canvas.width && this.#ghost.hidden) {
      this.#ghost.width = canvas.width;
      this.#ghost.height = canvas.height;
      this.#ghost.getContext("2d").drawImage(canvas, 0, 0);
      this.#ghost.hidden = false;
    }
  }
}
