/** Who is on the console, who controls it, and the wish to change that. */

import { Countdown } from "./countdown.js";
import { byId, element } from "./elements.js";
import { t } from "./texts.js";
import { timeLeft } from "./words.js";

/**
 * What the bar shows. Pure.
 * @param {{you: string, controller: string|null, viewers: {id: string, user: string, from: string, role: string, may_control: boolean, asks?: boolean}[]}} on
 */
export function peopleOn({ you, controller, viewers }) {
  const youControl = controller === you;
  const others = viewers.filter(({ id }) => id !== you);
  return {
    youControl,
    visible: viewers.length > 1 || !youControl,
    others,
    asking: others.filter(({ asks }) => asks),
    mayGet: youControl ? others.filter((other) => other.may_control).map(({ id }) => id) : [],
    youAsk: viewers.some(({ id, asks }) => id === you && asks),
    controllerName: namesOf(viewers).get(controller) ?? null,
  };
}

/**
 * What to call each viewer, by its id; those of one user are told apart by a number, in the order
 * in which they came. Pure.
 * @param {{id: string, user: string}[]} viewers
 * @returns {Map<string, string>}
 */
export function namesOf(viewers) {
  const seen = new Map();
  return new Map(
    viewers.map(({ id, user }) => {
      const number = (seen.get(user) ?? 0) + 1;
      seen.set(user, number);
      const alone = viewers.filter((other) => other.user === user).length === 1;
      return [id, alone ? user : `${user} ${number}`];
    }),
  );
}

export class People {
  #send;
  #mayControl = true;
  #last = null;
  #wishing = false;
  #answered = new Set();
  #deadlines = new Map();
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
    const { asking, youControl, youAsk } = peopleOn(message);
    const still = new Set(asking.map(({ id }) => id));
    for (const known of [this.#answered, this.#deadlines]) {
      for (const id of [...known.keys()].filter((id) => !still.has(id))) {
        known.delete(id);
      }
    }
    // The daemon knows of the wish by now, or of its end.
    this.#wishing = this.#wishing && !youControl && !youAsk && message.controller === this.#last?.controller;
    this.#last = message;
    this.#draw();
  }

  /** A `control-request` message: somebody asks for control. */
  request({ from, timeout_s }) {
    this.#answered.delete(from.id);
    this.#deadlines.set(from.id, performance.now() + timeout_s * 1000);
    this.#draw();
  }

  /** Nobody is on: the session is over. */
  clear() {
    this.#last = null;
    this.#wishing = false;
    this.#answered.clear();
    this.#deadlines.clear();
    this.#draw();
  }

  /** Who is to be answered: of several that ask, one after the other. */
  #asker() {
    const { youControl, asking } = peopleOn(this.#last);
    return youControl ? asking.find(({ id }) => !this.#answered.has(id)) ?? null : null;
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
    this.#countdown.stop();
    if (!this.#last) {
      bar.hidden = true;
      return;
    }
    const { youControl, visible, others, mayGet, controllerName } = peopleOn(this.#last);
    const asker = this.#asker();
    bar.hidden = !visible;
    if (visible) {
      bar.replaceChildren(
        asker ? this.#question(asker) : this.#sentence(youControl, controllerName),
        element("ul", { class: "viewers" }, ...this.#last.viewers.map((viewer) => this.#chip(viewer, !asker && mayGet.includes(viewer.id)))),
        ...(asker ? [] : this.#wishes(youControl, others)),
      );
    }
  }

  #sentence(youControl, controllerName) {
    let text = t("Nobody has control");
    if (youControl) {
      text = t("You have control");
    } else if (controllerName) {
      text = t("{name} has control, you are watching", { name: controllerName });
    }
    return element("p", { class: "people-say", text });
  }

  #question({ id }) {
    const answer = (type) => () => {
      this.#tell(type, { viewer: id });
      this.#answered.add(id);
      this.#draw();
    };
    const left = element("p", { class: "asked-left hint" });
    const deadline = this.#deadlines.get(id);
    if (deadline !== undefined) {
      this.#countdown.start((deadline - performance.now()) / 1000, (left_s) => {
        left.textContent = t("Without an answer it is granted in {time}.", { time: timeLeft(left_s) });
      });
    }
    return element(
      "div",
      { class: "asked", role: "alert" },
      element("p", { class: "people-say", text: t("{name} asks for control.", { name: namesOf(this.#last.viewers).get(id) }) }),
      left,
      this.#button(t("Grant"), answer("grant"), true),
      this.#button(t("Refuse"), answer("refuse")),
    );
  }

  #chip({ id, from, role, asks }, mayGet) {
    const { you, viewers } = this.#last;
    const called = namesOf(viewers).get(id);
    const name = id === you ? t("{name} (you)", { name: called }) : called;
    return element(
      "li",
      { class: `viewer ${role === "control" ? "controls" : ""}`, title: t("from {address}", { address: from }) },
      element("span", { text: role === "control" ? t("{name}, in control", { name }) : asks ? t("{name}, asks for control", { name }) : name }),
      mayGet && this.#button(t("Give control"), () => this.#tell("grant", { viewer: id })),
    );
  }

  #wishes(youControl, others) {
    if (youControl) {
      return others.length ? [this.#button(t("Release control"), () => this.#tell("release"))] : [];
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
      this.#wishing || peopleOn(this.#last).youAsk
        ? element("p", { class: "hint", text: t("Asked for control…") })
        : this.#button(controller ? t("Request control") : t("Get control"), ask, true),
      ...(controller ? [this.#button(t("Take it now"), () => this.#tell("take"))] : []),
    ];
  }
}
