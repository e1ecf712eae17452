/** The instance's screen: noVNC on a WebSocket of the page's own, its size, its keys. */

import Inflate from "../novnc/core/inflator.js";
import RFB from "../novnc/core/rfb.js";
import { mendReset } from "./inflatereset.js";
import { sendMissingKeyEvents } from "./synthetickeys.js";
import { keyOf } from "./keysyms.js";
import { t } from "./texts.js";

mendReset(Inflate);

const BLACK_STRIP_PX = 64;
const BLACK_AT_MOST = 12;

/** So long a picture that isn't whole yet stays covered. */
const WHOLE_TIMEOUT_MS = 2_000;
const WHOLE_LOOK_MS = 40;

/** Between the points at which the canvas is looked at. */
const WHOLE_GRID_PX = 16;

/** How the picture is fitted into the window, by the names of the size menu. */
const SIZES = {
  fit: { scale: true, drag: false },
  scroll: { scale: false, drag: false },
  drag: { scale: false, drag: true },
};

/**
 * Events: `picture` (the first one is whole), `dimensions` (they may have changed), `cuttext` (detail: text), `desktopname` (detail: name),
 * `forgotten` (nothing of the guest may stay on the page),
 * `credentials` (detail: the kinds asked for), `securityfailure` (detail: reason or empty).
 */
export class Screen extends EventTarget {
  #target;
  #ghost;
  #rfb = null;
  #stream = null;
  #size = "fit";
  #mayType = true;
  #takesFocus = true;
  #hasPicture = false;
  #sticky = new Set();
  #sizeWatch = new MutationObserver(() => this.dispatchEvent(new CustomEvent("dimensions")));
  #scratch = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  /** @param {HTMLElement} target @param {HTMLCanvasElement} ghost takes the last picture */
  constructor(target, ghost) {
    super();
    this.#target = target;
    this.#ghost = ghost;
    sendMissingKeyEvents(() => this.canvas);
  }

  /** Draw what `stream` sends; it must still be connecting, in the turn in which it was made. */
  attach(stream) {
    this.detach();
    this.#stream = stream;
    this.#hasPicture = false;
    const rfb = new RFB(this.#target, stream, { shared: true });
    this.#rfb = rfb;
    rfb.background = "transparent";
    rfb.viewOnly = !this.#mayType;
    rfb.focusOnClick = this.#takesFocus;
    this.#applySize();
    const canvas = this.canvas;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", t("Screen of the instance"));
    canvas.setAttribute("aria-describedby", "keyboard-help");
    this.#sizeWatch.observe(canvas, { attributeFilter: ["width", "height"] });
    const pass = (name, what) => this.dispatchEvent(new CustomEvent(name, { detail: what }));
    rfb.addEventListener("connect", () => this.#awaitPicture(rfb));
    rfb.addEventListener("disconnect", () => {
      if (this.#rfb === rfb) {
        this.#forget();
      }
    });
    rfb.addEventListener("clipboard", (event) => pass("cuttext", event.detail.text));
    rfb.addEventListener("desktopname", (event) => pass("desktopname", event.detail.name));
    rfb.addEventListener("credentialsrequired", (event) => pass("credentials", event.detail.types));
    rfb.addEventListener("securityfailure", (event) => pass("securityfailure", event.detail.reason ?? ""));
  }

  /** Begin with the first picture that is whole, or with what there is of it after a while. */
  #awaitPicture(rfb) {
    const deadline = performance.now() + WHOLE_TIMEOUT_MS;
    const look = () => {
      if (this.#rfb !== rfb) {
        return;
      }
      if (!this.#isWhole() && performance.now() < deadline) {
        setTimeout(look, WHOLE_LOOK_MS);
        return;
      }
      this.#hasPicture = true;
      this.#ghost.hidden = true;
      this.focus();
      this.dispatchEvent(new CustomEvent("picture"));
    };
    look();
  }

  /** Whether something was drawn everywhere: noVNC's canvas is transparent until then. */
  #isWhole() {
    const canvas = this.canvas;
    if (!canvas || canvas.width === 0 || canvas.height === 0) {
      return false;
    }
    const scratch = this.#scratch;
    const width = Math.ceil(canvas.width / WHOLE_GRID_PX);
    const height = Math.ceil(canvas.height / WHOLE_GRID_PX);
    scratch.canvas.width = width;
    scratch.canvas.height = height;
    scratch.imageSmoothingEnabled = false;
    scratch.drawImage(canvas, 0, 0, width, height);
    const pixels = scratch.getImageData(0, 0, width, height).data;
    for (let at = 3; at < pixels.length; at += 4) {
      if (pixels[at] !== 255) {
        return false;
      }
    }
    return true;
  }

  /** Let go of noVNC and its socket. */
  detach() {
    const rfb = this.#rfb;
    this.#forget();
    rfb?.disconnect();
  }

  #forget() {
    this.#sticky.clear();
    this.#sizeWatch.disconnect();
    this.#hasPicture = false;
    this.#rfb = null;
    this.#stream = null;
  }

  /** noVNC's canvas, or null while there is none. */
  get canvas() {
    return this.#target.querySelector("canvas");
  }

  /** Whether a picture is there, as a rule a whole one. */
  get hasPicture() {
    return this.#hasPicture;
  }

  /** Whether a picture is to be seen, be it the last one of a link that is gone. */
  get showsPicture() {
    return this.#hasPicture || !this.#ghost.hidden;
  }

  /** Whether keys go to the instance at this moment. */
  get hasFocus() {
    return this.canvas !== null && document.activeElement === this.canvas;
  }

  /** Whether Caps Lock is on in the guest; null where its server doesn't say. */
  get guestCapsLock() {
    // noVNC has no other way to ask; it forgets the state when Caps Lock is pressed, until it is told anew.
    return this.#rfb?._remoteCapsLock ?? null;
  }

  /** Bytes that wait to be sent. */
  get backlog_bytes() {
    return this.#stream?.bufferedAmount ?? 0;
  }

  /** Keep the last picture on the page after noVNC is gone. */
  keepPicture() {
    const canvas = this.canvas;
    if (!canvas || !this.#hasPicture || canvas.width === 0) {
      return;
    }
    this.#ghost.width = canvas.width;
    this.#ghost.height = canvas.height;
    this.#ghost.getContext("2d").drawImage(canvas, 0, 0);
    this.#ghost.hidden = false;
  }

  /** Take away all that is left of the guest: who sits down here next mustn't read it. */
  forgetPicture() {
    this.#ghost.hidden = true;
    this.#ghost.width = this.#ghost.height = 0;
    this.dispatchEvent(new CustomEvent("forgotten"));
  }

  /** Width and height of the picture, or null; when dragged, the canvas shows only a part of it. */
  get dimensions() {
    return SIZES[this.#size].drag ? null : this.pixels;
  }

  /** Width and height of the instance's screen, or null. */
  get pixels() {
    const canvas = this.canvas;
    return canvas && this.#hasPicture ? { width: canvas.width, height: canvas.height } : null;
  }

  /** @param {"fit"|"scroll"|"drag"} size */
  set size(size) {
    this.#size = size;
    this.#applySize();
  }

  #applySize() {
    if (this.#rfb) {
      const { scale, drag } = SIZES[this.#size];
      this.#rfb.scaleViewport = scale;
      this.#rfb.clipViewport = drag;
      this.#rfb.dragViewport = drag;
    }
  }

  /** Whether keyboard and pointer are passed on. Held keys are let go before they stop. */
  set mayType(allowed) {
    if (allowed === this.#mayType) {
      return;
    }
    if (!allowed) {
      this.releaseAll();
    }
    this.#mayType = allowed;
    if (this.#rfb) {
      this.#rfb.viewOnly = !allowed;
    }
  }

  get mayType() {
    return this.#mayType;
  }

  focus() {
    if (this.#takesFocus) {
      this.#rfb?.focus({ preventScroll: true });
    }
  }

  /** Whether the screen takes the focus at all, by a touch or by itself. @param {boolean} takes */
  set takesFocus(takes) {
    this.#takesFocus = takes;
    if (this.#rfb) {
      this.#rfb.focusOnClick = takes;
    }
  }

  sendCredentials(credentials) {
    this.#rfb?.sendCredentials(credentials);
  }

  /** One key going down or up. @param {number} keysym @param {string|null} code */
  press(keysym, code, down) {
    this.#rfb?.sendKey(keysym, code, down);
  }

  /** Press keys by name together, then let go of them in reverse. @param {...string} names as `keyOf` knows them */
  tap(...names) {
    const shifted = names.includes("Shift") || this.#sticky.has("Shift");
    for (const name of names) {
      this.press(...keyOf(name, shifted), true);
    }
    for (const name of [...names].reverse()) {
      if (!this.#sticky.has(name)) {
        this.press(...keyOf(name, shifted), false);
      }
    }
  }

  /** Press one key while others, by name, are held. @param {string[]} names */
  pressWith(names, keysym, code) {
    for (const name of names) {
      this.press(...keyOf(name), true);
    }
    this.press(keysym, code, true);
    this.press(keysym, code, false);
    for (const name of [...names].reverse()) {
      this.press(...keyOf(name), false);
    }
  }

  /** Hold a key down until it is let go. @param {string} name */
  hold(name, down) {
    if (down) {
      this.#sticky.add(name);
    } else {
      this.#sticky.delete(name);
    }
    this.press(...keyOf(name), down);
  }

  /** Let go of a key if it is held. @param {string} name */
  letGo(name) {
    if (this.#sticky.has(name)) {
      this.hold(name, false);
    }
  }

  /** Let go of every key that is down; noVNC does so with its own when the window loses focus. */
  releaseAll() {
    window.dispatchEvent(new Event("blur"));
  }

  /** The picture as a PNG in its own size, or null. @returns {Promise<Blob|null>} */
  toBlob() {
    const rfb = this.#hasPicture ? this.#rfb : null;
    return new Promise((resolve) => (rfb ? rfb.toBlob(resolve, "image/png") : resolve(null)));
  }

  /** Whether every pixel is (nearly) black; looks strip by strip and stops at the first that isn't. */
  isBlack() {
    const canvas = this.canvas;
    if (!canvas || !this.#hasPicture || canvas.width === 0) {
      return false;
    }
    const { width, height } = canvas;
    const scratch = this.#scratch;
    scratch.canvas.width = width;
    scratch.canvas.height = BLACK_STRIP_PX;
    for (let top = 0; top < height; top += BLACK_STRIP_PX) {
      const rows = Math.min(BLACK_STRIP_PX, height - top);
      scratch.drawImage(canvas, 0, top, width, rows, 0, 0, width, rows);
      const pixels = scratch.getImageData(0, 0, width, rows).data;
      for (let at = 0; at < pixels.length; at += 4) {
        if (pixels[at] > BLACK_AT_MOST || pixels[at + 1] > BLACK_AT_MOST || pixels[at + 2] > BLACK_AT_MOST) {
          return false;
        }
      }
    }
    return true;
  }
}
