/** Fingers on the screen: pinch zoom and pan for all, and a touchpad for who wants one. */

import { byId } from "./elements.js";
import { HOLD_MS, Touchpad } from "./touchpad.js";
import { pinched, showing, WHOLE } from "./zoom.js";

/** How large a pixel of the instance may become. */
const MOST_PX = 4;

const TOUCHES = ["touchstart", "touchmove", "touchend", "touchcancel"];
const GESTURES = ["gesturestart", "gesturemove", "gestureend"];

export class TouchScreen {
  #screen;
  #target = byId("screen");
  #stage = byId("stage");
  #size = byId("size");
  #view = WHOLE;
  #pinch = null;
  #fingers = [];
  #touchpad = null;
  #pointer = null;
  #restTimer = 0;
  #holds = false;
  #scrolls = null;

  /** @param {import("./screen.js").Screen} screen */
  constructor(screen) {
    this.#screen = screen;
    // Before noVNC, whose own pinch turns a wheel.
    for (const type of TOUCHES) {
      this.#target.addEventListener(type, (event) => this.#touched(event), { capture: true, passive: false });
    }
    for (const type of GESTURES) {
      this.#target.addEventListener(type, (event) => this.#gestured(event), true);
    }
    this.#size.addEventListener("change", () => this.#show(WHOLE));
    window.addEventListener("resize", () => this.#show(showing(this.#view, { x: 0, y: 0 }, this.#window)));
  }

  /** Whether one finger moves the pointer instead of being it. @param {boolean} on */
  set touchpad(on) {
    this.#touchpad = on ? new Touchpad(() => performance.now()) : null;
    if (on && this.#size.value === "drag") {
      this.#fit();
    }
  }

  get #window() {
    return { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
  }

  #inWindow({ x, y }) {
    const { left, top } = this.#stage.getBoundingClientRect();
    return { x: x - left, y: y - top };
  }

  // Zoom.

  #fit() {
    this.#size.value = "fit";
    this.#screen.size = "fit";
  }

  #show(view) {
    this.#view = view;
    const { scale, x, y } = view;
    const whole = scale === 1;
    const style = this.#target.style;
    style.width = style.height = whole ? "" : `${scale * 100}%`;
    style.left = whole ? "" : `${x}px`;
    style.top = whole ? "" : `${y}px`;
    const option = this.#size.querySelector("option[value=zoom]");
    option.hidden = whole;
    if (!whole) {
      this.#size.value = "zoom";
    } else if (this.#size.value === "zoom") {
      this.#size.value = "fit";
    }
  }

  #pinched(pinch, view) {
    const { width, height } = this.#window;
    const size = this.#screen.pixels;
    const fitted = size ? Math.min(width / size.width, height / size.height) : 1;
    this.#show(pinched(view, pinch, { width, height }, Math.max(2, MOST_PX / fitted)));
  }

  /** noVNC's gestures come as events on its canvas; a pinch of them is ours. */
  #gestured(event) {
    const { type, detail } = event;
    if (detail?.type !== "pinch") {
      return;
    }
    event.stopPropagation();
    const apart = Math.hypot(detail.magnitudeX, detail.magnitudeY);
    const at = this.#inWindow(middle(this.#fingers));
    if (type === "gesturestart") {
      if (["scroll", "drag"].includes(this.#size.value)) {
        this.#fit();
      }
      this.#pinch = { apart, at, view: this.#view };
    } else if (type === "gesturemove" && this.#pinch && this.#fingers.length === 2) {
      this.#pinched({ ratio: apart / this.#pinch.apart, from: this.#pinch.at, to: at }, this.#pinch.view);
    }
  }

  // Fingers.

  #touched(event) {
    this.#fingers = [...event.touches].map(({ identifier, clientX, clientY }) => ({ id: identifier, x: clientX, y: clientY }));
    if (!this.#touchpad || !this.#screen.canvas) {
      return;
    }
    event.stopPropagation();
    event.preventDefault();
    clearTimeout(this.#restTimer);
    this.#do(this.#touchpad.touched(this.#fingers));
    if (event.type === "touchstart") {
      this.#scrolls = null;
      this.#pinch = { view: this.#view };
      this.#restTimer = setTimeout(() => this.#do(this.#touchpad?.rested() ?? []), HOLD_MS);
    } else if (event.type === "touchmove" && !this.#holds) {
      this.#restTimer = setTimeout(() => this.#do(this.#touchpad?.rested() ?? []), HOLD_MS);
    }
  }

  #do(steps) {
    for (const step of steps) {
      this.#step(step);
    }
  }

  #step({ type, dx, dy, button, ...pinch }) {
    switch (type) {
      case "move":
        this.#move(dx, dy);
        break;
      case "click":
        this.#tell("gesturestart", button === "right" ? "twotap" : "onetap");
        break;
      case "press":
        this.#holds = true;
        this.#tell("gesturestart", "drag");
        break;
      case "release":
        this.#holds = false;
        this.#tell("gestureend", "drag");
        break;
      case "scroll":
        if (!this.#scrolls) {
          this.#scrolls = true;
          this.#tell("gesturestart", "twodrag", { magnitudeX: 0, magnitudeY: 0 });
        }
        this.#tell("gesturemove", "twodrag", { magnitudeX: dx, magnitudeY: dy });
        break;
      default:
        this.#pinched({ ...pinch, from: this.#inWindow(pinch.from), to: this.#inWindow(pinch.to) }, this.#pinch.view);
    }
  }

  /** Where the pointer is on the canvas, as parts of its sides; the middle at first. */
  #place() {
    const box = this.#screen.canvas.getBoundingClientRect();
    const { x, y } = (this.#pointer ??= { x: 0.5, y: 0.5 });
    return { box, x: box.left + x * box.width, y: box.top + y * box.height };
  }

  #move(dx, dy) {
    const { box } = this.#place();
    const part = (value) => Math.min(0.9999, Math.max(0, value));
    this.#pointer = { x: part(this.#pointer.x + dx / box.width), y: part(this.#pointer.y + dy / box.height) };
    if (this.#view.scale > 1) {
      this.#show(showing(this.#view, this.#inWindow(this.#place()), this.#window));
    }
    if (this.#holds) {
      this.#tell("gesturemove", "drag");
    } else {
      const { x, y } = this.#place();
      const event = new MouseEvent("mousemove", { clientX: x, clientY: y, bubbles: true, cancelable: true });
      this.#screen.canvas.dispatchEvent(event);
    }
  }

  /** Have noVNC see one of its gestures where the pointer is. */
  #tell(type, gesture, more = {}) {
    const { x, y } = this.#place();
    const detail = { type: gesture, clientX: x, clientY: y, ...more };
    this.#screen.canvas.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function middle(fingers) {
  const sum = (name) => fingers.reduce((all, finger) => all + finger[name], 0) / Math.max(1, fingers.length);
  return { x: sum("x"), y: sum("y") };
}
