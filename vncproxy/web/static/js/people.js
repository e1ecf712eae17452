/** Who is on the console, who controls it, and the wish to change that. */

import { Countdown } from "./countdown.js";
import { byId, element } from "./elements.js";
import { timeLeft } from "./words.js";

/**
 * What the bar shows. Pure.
 * @param {{you: string, controller: string|null, viewers: {id: string, user: string, from: string, role: string}[]}} on
 */
export function peopleOn({ you, controller, viewers }) {
  const youControl = controller === you;
  return {
    youControl,
    visible: viewers.length > 1 || !youControl,
    others: viewers.filter(({ id }) => id !== you),
    controllerName: viewers.find(({ id }) => id === controller)?.user ?? null,
  };
}

export class People {
  #send;
  #mayControl = true;
  #last = null;
  #asked = null;
  #wishing = false;
  #countdown = new Countdown();

  /** @param {(message: object) => void} send */
  constructor(send) {
    this.#send = send;
  }

  set mayControl(allowed) {
    this.#mayControl = allowed;
  }

  /** A `viewers` message. */
  update(message) {
    const { youControl } = peopleOn(message);
    if (youControl || message.controller !== this.#last?.controller) {
      this.#wishing = false;
    }
    if (!youControl) {
      this.#answered();
    }
    this.#last = message;
    this.#draw();
  }

  /** A `control-request` message: somebody asks for control. */
  request({ from, timeout_s }) {
    this.#asked = from;
    this.#draw();
    const left = byId("people").querySelector(".asked-left");
    this.#countdown.start(
      timeout_s,
      (left_s) => {
        left.textContent = `Without an answer it is granted in ${timeLeft(left_s)}.`;
      },
      () => this.#answered(),
    );
  }

  /** Nobody is on: the session is over. */
  clear() {
    this.#last = null;
    this.#wishing = false;
    this.#answered();
  }

  #answered() {
    this.#asked = null;
    this.#countdown.stop();
    this.#draw();
  }

  #tell(type, more = {}) {
    this.#send({ type, ...more });
  }

  #button(label, run, primary = false) {
    return element("button", {
      type: "button",
      class: primary ? "primary small" : "small",
      text: label,
      on: { click: run },
    });
  }

  #draw() {
    const bar = byId("people");
    if (!this.#last) {
      bar.hidden = true;
      return;
    }
    const { youControl, visible, others, controllerName } = peopleOn(this.#last);
    bar.hidden = !visible;
    if (visible) {
      bar.replaceChildren(
        this.#asked ? this.#question() : this.#sentence(youControl, controllerName),
        element("ul", { class: "viewers" }, ...this.#last.viewers.map((viewer) => this.#chip(viewer, youControl))),
        ...(this.#asked ? [] : this.#wishes(youControl, others)),
      );
    }
  }

  #sentence(youControl, controllerName) {
    let text = "Nobody has control";
    if (youControl) {
      text = "You have control";
    } else if (controllerName) {
      text = `${controllerName} has control, you are watching`;
    }
    return element("p", { class: "people-say", text });
  }

  #question() {
    const { id, user } = this.#asked;
    const answer = (type) => () => {
      this.#tell(type, { viewer: id });
      this.#answered();
    };
    return element(
      "div",
      { class: "asked", role: "alert" },
      element("p", { class: "people-say", text: `${user} asks for control.` }),
      element("p", { class: "asked-left hint" }),
      this.#button("Grant", answer("grant"), true),
      this.#button("Refuse", answer("refuse")),
    );
  }

  #chip({ id, user, from, role }, youControl) {
    const { you } = this.#last;
    const name = id === you ? `${user} (you)` : user;
    return element(
      "li",
      { class: `viewer ${role === "control" ? "controls" : ""}`, title: `from ${from}` },
      element("span", { text: role === "control" ? `${name}, in control` : name }),
      youControl &&
        id !== you &&
        !this.#asked &&
        this.#button("Give control", () => this.#tell("grant", { viewer: id })),
    );
  }

  #wishes(youControl, others) {
    if (youControl) {
      return others.length ? [this.#button("Release control", () => this.#tell("release"))] : [];
    }
    if (!this.#mayControl) {
      return [];
    }
    const ask = () => {
      this.#wishing = true;
      this.#tell("request-control");
      this.#draw();
    };
    const { controller } = this.#last;
    return [
      this.#wishing
        ? element("p", { class: "hint", text: "Asked for control…" })
        : this.#button(controller ? "Request control" : "Get control", ask, true),
      ...(controller ? [this.#button("Take it now", () => this.#tell("take"))] : []),
    ];
  }
}
