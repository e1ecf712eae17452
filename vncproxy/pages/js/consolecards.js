/**
 * Draws the open consoles, each on a card, and changes in place what is another: whoever is on a
 * button, or in the middle of the page, stays there.
 */

import { consolePath } from "./addresses.js";
import { below } from "./basepath.js";
import { arrange, element, setText } from "./elements.js";
import { t } from "./texts.js";

/** Show or hide an element that has a text only sometimes. */
function setOptional(target, text) {
  target.hidden = !text;
  setText(target, text);
}

/**
 * Keeps one part for each item, by its id.
 * @param {Map<string, {root: HTMLElement, update: (item: object, ...more: unknown[]) => void}>} parts
 */
function keep(parts, holder, items, make, ...more) {
  const ids = new Set(items.map(({ id }) => id));
  for (const id of [...parts.keys()].filter((id) => !ids.has(id))) {
    parts.delete(id);
  }
  for (const item of items) {
    if (!parts.has(item.id)) {
      parts.set(item.id, make(item));
    }
    parts.get(item.id).update(item, ...more);
  }
  arrange(holder, items.map(({ id }) => parts.get(id).root));
}

/** A figure with its name and, below it, a word on it. */
function value(label) {
  const text = element("span", { class: "value" });
  const note = element("span", { class: "note" });
  const holder = element("dd", {}, text, note);
  return {
    root: element("div", { class: "figure" }, element("dt", { text: label }), holder),
    holder,
    update(shown, more = "") {
      setText(text, shown);
      setOptional(note, more);
    },
  };
}

class ViewerLine {
  #item = null;
  #name = element("strong", { class: "viewer-name" });
  #from = element("span", { class: "note" });
  #role = element("span", { class: "pill" });
  #asks = element("span", { class: "pill warn", text: t("Asks for control") });
  #recorded = element("span", { class: "pill bad", text: t("Recorded") });
  #figures = { on: value(t("On for")), input: value(t("Last input")), receives: value(t("Receives")), sends: value(t("Sends")) };
  #button;

  constructor(end) {
    this.#button = element("button", {
      class: "small",
      type: "button",
      text: t("End"),
      on: { click: () => end(this.#item) },
    });
    this.root = element(
      "li",
      { class: "on-it" },
      element(
        "div",
        { class: "viewer-who" },
        element("span", { class: "viewer-title" }, this.#name, this.#role, this.#asks, this.#recorded),
        this.#from,
      ),
      element("dl", { class: "figures" }, ...Object.values(this.#figures).map(({ root }) => root)),
      this.#button,
    );
  }

  update(item, title) {
    this.#item = item;
    setText(this.#name, item.name);
    setText(this.#from, `${item.from} · ${item.letIn}`);
    setText(this.#role, item.role);
    this.#role.className = `pill ${item.controls ? "good" : "calm"}`;
    this.#asks.hidden = !item.asks;
    this.#recorded.hidden = !item.recorded;
    this.#figures.on.update(item.on);
    this.#figures.input.update(item.input);
    this.#figures.receives.update(item.receives, item.received);
    this.#figures.sends.update(item.sends, item.sent);
    this.#button.setAttribute("aria-label", t("End the session of {name} on {title}", { name: item.name, title }));
  }
}

class ConsoleCard {
  #view = null;
  #title = element("h2", {});
  #place = element("code", {});
  #state = element("span", {});
  #recorded = element("span", { class: "pill bad", text: t("Recorded") });
  #troubles = element("ul", { class: "troubles" });
  #troublesShown = "";
  #facts = element("dl", { class: "facts" });
  #figures = new Map();
  #meter = element("meter", { min: 0, "aria-hidden": "true" });
  #budget = value(t("Reconnect budget"));
  #viewers = element("ul", { class: "on" });
  #lines = new Map();
  #nobody = element("p", { class: "nobody", text: t("Nobody is on.") });
  #endViewer;
  #watch;
  #button;

  constructor(view, { endConsole, endViewer }) {
    this.#endViewer = endViewer;
    this.#title.id = `console-${view.id}`;
    this.#budget.holder.append(this.#meter);
    this.#watch = element("a", { class: "button", text: t("Watch") });
    this.#button = element("button", {
      type: "button",
      text: t("End the console"),
      on: { click: () => endConsole(this.#view) },
    });
    this.root = element(
      "section",
      { class: "card open-console", "aria-labelledby": this.#title.id },
      element(
        "header",
        { class: "console-head" },
        element(
          "div",
          { class: "instance-name" },
          element("div", { class: "console-title" }, this.#title, this.#state, this.#recorded),
          element("p", { class: "place" }, this.#place),
        ),
        element("div", { class: "console-acts" }, this.#watch, this.#button),
      ),
      this.#troubles,
      this.#facts,
      this.#viewers,
      this.#nobody,
    );
  }

  update(view) {
    this.#view = view;
    setText(this.#title, view.title);
    setText(this.#place, view.place);
    setText(this.#state, view.state);
    this.#state.className = `pill ${view.tone}`;
    this.#recorded.hidden = !view.recorded;
    this.#watch.href = `${below(consolePath(view))}?view=1`;
    this.#watch.setAttribute("aria-label", t("Watch {title}", { title: view.title }));
    this.#button.setAttribute("aria-label", t("End the console of {title}", { title: view.title }));
    this.#updateTroubles(view.troubles);
    this.#updateFacts(view);
    const end = (viewer) => this.#endViewer(this.#view, viewer);
    keep(this.#lines, this.#viewers, view.viewers, () => new ViewerLine(end), view.title);
    this.#viewers.setAttribute("aria-label", t("Who is on {title}", { title: view.title }));
    this.#viewers.hidden = view.viewers.length === 0;
    this.#nobody.hidden = view.viewers.length > 0;
  }

  #updateTroubles(troubles) {
    const key = troubles.join("\n");
    if (key !== this.#troublesShown) {
      this.#troublesShown = key;
      this.#troubles.replaceChildren(...troubles.map((text) => element("li", { text })));
    }
    this.#troubles.hidden = troubles.length === 0;
  }

  #updateFacts({ facts, budget }) {
    for (const { term, text, note } of facts) {
      if (!this.#figures.has(term)) {
        this.#figures.set(term, value(term));
      }
      this.#figures.get(term).update(text, note);
    }
    arrange(this.#facts, [...facts.map(({ term }) => this.#figures.get(term).root), this.#budget.root]);
    this.#meter.hidden = !budget;
    this.#budget.update(budget?.text ?? t("Not known"), budget?.scope ?? "");
    if (budget) {
      this.#meter.max = budget.limit;
      this.#meter.value = budget.left;
      this.#meter.className = budget.tone;
    }
  }
}

/** The cards of all open consoles. */
export class ConsoleCards {
  #cards = new Map();
  #holder;
  #acts;

  /**
   * @param {HTMLElement} holder
   * @param {{endConsole: (view: object) => void, endViewer: (view: object, viewer: object) => void}} acts
   */
  constructor(holder, acts) {
    this.#holder = holder;
    this.#acts = acts;
  }

  /** @param {ReturnType<typeof import("./consoleview.js").consoleView>[]} views */
  update(views) {
    keep(this.#cards, this.#holder, views, (view) => new ConsoleCard(view, this.#acts));
  }
}
