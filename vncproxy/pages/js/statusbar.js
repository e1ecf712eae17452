/** The line under the screen, and the panel with the details of the link. */

import { byId, element, setText } from "./elements.js";
import { languageSwitch } from "./languageswitch.js";
import { dropPanel } from "./panels.js";
import { shownState, stateName } from "./states.js";
import { t, timeOfDay, tn } from "./texts.js";
import { keepaliveWords } from "./words.js";

const TONE = { running: "good", opaque: "warn", resuming: "warn", retrying: "warn", closed: "bad", password: "warn" };

/** States in which there is a link that is kept open. */
const KEPT_OPEN = new Set(["running", "resuming"]);

const CONNECTED = new Set(["running", "opaque"]);

/** Facts that end with the session. */
const LINK_FACTS = [t("State"), t("Try"), t("Keepalive"), t("Desktop")];

/** @param {number} epoch_s */
function clock(epoch_s) {
  return timeOfDay(new Date(epoch_s * 1000));
}

export class StatusBar {
  #facts = new Map();
  #list = element("dl");
  #languages;
  #offersLanguage = true;

  /** @param {() => void} reloads called before the page is loaded anew, in another language */
  constructor(reloads) {
    this.#languages = element("p", {}, languageSwitch("small", reloads));
    dropPanel("details-button", "details-panel", () => this.#drawDetails());
  }

  /** A fact for the details; null takes it away. @param {string} name @param {string|null} value */
  fact(name, value) {
    if (value === null || value === undefined || value === "") {
      this.#facts.delete(name);
    } else {
      this.#facts.set(name, String(value));
    }
    if (!byId("details-panel").hidden) {
      this.#drawDetails();
    }
  }

  /**
   * Whether the details offer another language. That loads the page anew, which opens the console:
   * not where the page waits for the person to do so.
   * @param {boolean} offers
   */
  set offersLanguage(offers) {
    this.#offersLanguage = offers;
    if (!byId("details-panel").hidden) {
      this.#drawDetails();
    }
  }

  /** The state in one or two words. @param {string} state @param {string} [name] */
  state(state, name = stateName(state)) {
    const pill = byId("state");
    pill.className = `pill ${TONE[state] ?? "calm"}`;
    setText(pill, name);
  }

  /** The session is over: what was said of its link no longer holds. */
  over() {
    this.#recorded(false);
    setText(byId("keepalive"), "");
    setText(byId("survived"), "");
    this.#encrypted(null);
    for (const name of LINK_FACTS) {
      this.fact(name, null);
    }
    this.dimensions(null);
    this.state("closed");
  }

  /** A state message of the control channel. @param {object} message @param {boolean} hasPicture */
  update(message, hasPicture) {
    const { since, attempt, keepalive, saved, discarded_keys, screen, recorded, encrypted } = message;
    this.#recorded(recorded === true);
    this.#encrypted(encrypted ?? null);
    const state = shownState(message, hasPicture);
    this.state(state);
    this.fact(t("State"), since ? t("{state}, since {time}", { state: stateName(state), time: clock(since) }) : stateName(state));
    this.fact(t("Try"), attempt > 1 && !CONNECTED.has(state) ? attempt : null);
    const kept = KEPT_OPEN.has(state) ? keepaliveWords(keepalive?.kind) : "";
    setText(byId("keepalive"), kept);
    byId("keepalive").title = keepalive?.why ?? "";
    this.fact(t("Keepalive"), kept ? keepalive.why || kept : null);
    const survived = saved?.losses_survived ?? 0;
    setText(byId("survived"), survived ? tn(survived, "{count} lost link replaced", "{count} lost links replaced") : "");
    this.fact(t("Lost links replaced"), saved ? survived : null);
    this.fact(t("Reconnections saved"), saved ? saved.dials_avoided : null);
    this.fact(t("Keys dropped while away"), discarded_keys || null);
    this.fact(t("Desktop"), screen?.name ?? null);
  }

  /** The mark in the toolbar, and over the picture where the toolbar is away. @param {boolean} is */
  #recorded(is) {
    byId("recorded").hidden = !is;
    document.body.classList.toggle("is-recorded", is);
    this.fact(t("Recorded"), is ? t("what the screen shows, not what is typed") : null);
  }

  /** A warning where the cloud gave an address without TLS. @param {boolean|null} is null: no link */
  #encrypted(is) {
    setText(byId("exposed"), is === false ? t("Not encrypted on the way to the cloud") : "");
    this.fact(t("Encryption"), is === false ? t("none between vncproxy and the cloud: what is shown and typed can be read there") : null);
  }

  /** @param {{width: number, height: number}|null} size */
  dimensions(size) {
    const text = size ? `${size.width} × ${size.height}` : "";
    setText(byId("dimensions"), text);
    this.fact(t("Screen"), text);
  }

  /** Where the keys go. @param {string} text @param {string} chord what the chord for it does; empty: nothing */
  typing(text, chord = "") {
    setText(byId("typing"), text);
    byId("chord").hidden = !chord;
    setText(byId("chord-does"), chord);
  }

  #drawDetails() {
    this.#list.replaceChildren(
      ...[...this.#facts].map(([name, value]) =>
        element("div", {}, element("dt", { text: name }), element("dd", { text: value })),
      ),
    );
    const panel = byId("details-panel");
    if (!panel.contains(this.#list)) {
      panel.replaceChildren(element("h2", { text: t("The link") }), this.#list);
    }
    // It stays the same one: a list that is open would be closed by another in its place.
    if (!this.#offersLanguage) {
      this.#languages.remove();
    } else if (!panel.contains(this.#languages)) {
      panel.append(this.#languages);
    }
  }
}
