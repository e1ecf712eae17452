/** A list of the past that is searched: past sessions, or recordings. */

import { call } from "./api.js";
import { below } from "./basepath.js";
import { byId, element, setText } from "./elements.js";
import {
  listNotes,
  playLabel,
  recordingFilePath,
  recordingView,
  replayPath,
  searchQuery,
  sessionView,
} from "./pastview.js";
import { number, t, tn } from "./texts.js";

/** Between the last key and the question. */
const TYPING_PAUSE_MS = 300;

/** While older files are still being read. */
const READING_PAUSE_MS = 2_000;

const PAGE = "100";

function field(name, label, type) {
  return { name, label, input: element("input", { type, name, "aria-label": label, title: label, placeholder: type === "search" ? label : false, autocomplete: "off", autocapitalize: "off", spellcheck: "false" }) };
}

function line(kind, text) {
  return text ? element("p", { class: kind, text }) : null;
}

function headOf({ title, place, who, from }, ...pills) {
  return element(
    "div",
    { class: "past-who" },
    element("h2", {}, element("span", { text: title }), ...pills),
    place && element("p", { class: "place" }, element("code", { text: place })),
    who && element("p", { class: "past-user" }, element("strong", { text: who }), from && ` ${from}`),
  );
}

function playLink(view, name) {
  return element("a", { class: "button small", href: below(replayPath(name)), text: t("Play"), "aria-label": playLabel(view) });
}

function sessionRow(row) {
  const view = sessionView(row);
  return element(
    "li",
    { class: "past" },
    headOf(view, view.open && element("span", { class: "pill good", text: t("Still open") })),
    element(
      "div",
      { class: "past-facts" },
      line("past-when", view.when),
      line("note", [view.length, view.opened].filter(Boolean).join(" · ")),
      line("past-end", view.end),
    ),
    element("div", { class: "past-acts" }, view.recording && playLink(view, view.recording)),
  );
}

function recordingRow(row) {
  const view = recordingView(row);
  const { lack, name } = view;
  return element(
    "li",
    { class: "past" },
    headOf(view, lack && element("span", { class: `pill ${lack.tone}`, text: lack.word })),
    element(
      "div",
      { class: "past-facts" },
      line("past-when", view.when),
      line("note", [view.length, view.size].filter(Boolean).join(" · ")),
      line("past-end", view.problem),
      line("past-end", view.caution),
    ),
    element(
      "div",
      { class: "past-acts" },
      !view.problem && playLink(view, name),
      !view.problem && element("a", { class: "button small quiet", href: below(recordingFilePath(name)), download: name, text: t("Download") }),
    ),
  );
}

export const SESSIONS = {
  what: "sessions",
  row: sessionRow,
  csv: true,
  lead: (count) => tn(count, "{count} session", "{count} sessions"),
  nothing: t("No session like this is in the audit."),
};

export const RECORDINGS = {
  what: "recordings",
  row: recordingRow,
  csv: false,
  lead: (count) => tn(count, "{count} recording", "{count} recordings"),
  nothing: t("There is no recording like this. Sessions are recorded where a rule says so."),
};

export class PastList {
  #kind;
  #failed;
  #worked;
  #fields = [
    field("user", t("User"), "search"),
    field("instance", t("Instance"), "search"),
    field("since", t("Open after"), "datetime-local"),
    field("until", t("Open before"), "datetime-local"),
  ];
  #notes = element("ul", { class: "troubles", hidden: true });
  #rows = element("ul", { class: "instances past-list", hidden: true });
  #nothing;
  #more = element("button", { type: "button", class: "past-more", hidden: true });
  #csv = element("a", { class: "button", download: "vncproxy-sessions.csv", text: t("Export as CSV") });
  #asked = 0;
  #next = null;
  #timer = 0;

  /**
   * @param {typeof SESSIONS} kind
   * @param {(error: import("./api.js").ApiError) => void} failed
   * @param {() => void} worked
   */
  constructor(kind, failed, worked) {
    this.#kind = kind;
    this.#failed = failed;
    this.#worked = worked;
    this.#nothing = element("p", { class: "card nothing", text: kind.nothing, hidden: true });
    const times = this.#fields.slice(2).map(({ label, input }) => element("label", { class: "past-time" }, element("span", { text: label }), input));
    const form = element(
      "form",
      { class: "finder", role: "search", on: { submit: (event) => this.#searchNow(event), input: () => this.#searchSoon() } },
      this.#fields[0].input,
      this.#fields[1].input,
      ...times,
      kind.csv && this.#csv,
    );
    this.#more.addEventListener("click", () => this.#ask(this.#next));
    this.root = element("section", { class: "past-section" }, form, this.#notes, this.#nothing, this.#rows, this.#more);
  }

  /** Show what there is now. */
  load() {
    return this.#load();
  }

  /** It isn't looked at any more. */
  leave() {
    clearTimeout(this.#timer);
    this.#asked += 1;
  }

  #searchNow(event) {
    event.preventDefault();
    this.#ask(null);
  }

  #searchSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(null), TYPING_PAUSE_MS);
  }

  async #ask(before) {
    try {
      await this.#load(before);
      this.#worked();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #load(before = null) {
    clearTimeout(this.#timer);
    this.#asked += 1;
    const asked = this.#asked;
    const wanted = Object.fromEntries(this.#fields.map(({ name, input }) => [name, input.value]));
    const query = searchQuery(wanted, { limit: PAGE, before: before ?? "" });
    this.#csv.href = below(`/api/v1/sessions?${searchQuery(wanted, { format: "csv" })}`);
    const answer = await call("GET", `/api/v1/${this.#kind.what}?${query}`);
    // Another question came meanwhile.
    if (asked === this.#asked) {
      this.#show(answer, before !== null);
    }
  }

  #show(answer, goesOn) {
    const rows = answer[this.#kind.what].map(this.#kind.row);
    if (goesOn) {
      this.#rows.append(...rows);
      rows[0]?.querySelector("a")?.focus();
    } else {
      this.#rows.replaceChildren(...rows);
    }
    const shown = this.#rows.children.length;
    this.#rows.hidden = shown === 0;
    this.#nothing.hidden = shown > 0 || answer.read < 1;
    this.#next = answer.more;
    this.#more.hidden = !answer.more;
    const left = Math.max(0, answer.total - shown);
    setText(this.#more, t("Show more ({left} left)", { left: number(left) }));
    const notes = listNotes(answer).map((text) => element("li", { text }));
    this.#notes.replaceChildren(...notes);
    this.#notes.hidden = notes.length === 0;
    setText(byId("lead"), this.#kind.lead(answer.total));
    if (answer.read < 1 && !goesOn) {
      this.#timer = setTimeout(() => this.#ask(null), READING_PAUSE_MS);
    }
  }
}
